"""Where tokens can leave a plain ViT early, and by what."""

from segpp.errors import ReductionError
from segpp.export.models.vit.architecture import shape_of
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture

__all__ = ["check_pass"]


def check_pass(site: Site, reduction: TokenReduction, architecture: Architecture) -> None:
    """Raise ReductionError where a network lacks what tokens are to leave by, or cannot let any."""
    shape = shape_of(architecture)
    if reduction.leaves_by is None:
        return
    if shape.queries:
        raise ReductionError(
            f"no tokens can leave at {site}",
            f"{shape.queries} queries join the tokens before the last {shape.query_blocks} blocks, "
            "and a head of masks would miss what left",
            hint="`preset=algm` merges tokens of such a network",
        )
    if reduction.leaves_by == "confidence" and site.stage not in shape.exits:
        places = ", ".join(f"{block}.tokens" for block in shape.exits)
        raise ReductionError(
            f"no auxiliary head tells which tokens leave at {site}",
            f"the network has them at {places}" if places else "the network has none",
            hint="pass:by=change needs none",
        )
