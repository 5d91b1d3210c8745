"""Where a network merges tokens, from a config and a checkpoint. Without onnx."""

from collections.abc import Mapping

from segpp.errors import InputError, ReductionError
from segpp.export.config import ExportConfig, reduction_of
from segpp.export.models.base import Checkpoint, family_of, grids_of
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture, InputSpec
from segpp.ops.grid import Grid, Size

__all__ = ["resolve_reduction", "shortfall_note"]


def resolve_reduction(
    config: ExportConfig, checkpoint: Checkpoint, spec: InputSpec
) -> ReductionConfig:
    """Return the reduction at each site.

    Raises:
        ReductionError: The network has no such site, or the reduction does not fit its grid.
        InputError: One match was to serve several blocks, and no stage has them.
    """
    architecture = checkpoint.architecture
    size = Size(spec.height, spec.width)
    _check_match_interval(config.match_interval, architecture)
    reduction = reduction_of(config, family_of(architecture), architecture)
    sites = grids_of(architecture)(size, None)
    # A reduction given as objects, not as text, has been checked by nobody.
    if absent := [str(site) for site in reduction if site not in sites]:
        raise ReductionError(
            f"{architecture.name} has no merge site {absent[0]}",
            f"known: {', '.join(map(str, sites))}",
        )
    for site, method in reduction.items():
        method.check_side(site)
    # Whether it fits does not depend on what shares a match, and is told before any search.
    grids = grids_of(architecture)(size, reduction)
    count_tokens(reduction, grids, depths=architecture.depths)
    return reduction


def _check_match_interval(interval: int | str, architecture: Architecture) -> None:
    """Raise InputError if one match was to serve several blocks of stages that are single ones."""
    if isinstance(interval, int) and interval > 1 and max(architecture.depths) == 1:
        raise InputError(
            f"`match_interval={interval}` in {architecture.name}, whose stages are single blocks",
            "a match serves the blocks of its stage, and queries and keys that merge alike",
            hint="leave `match_interval` out",
        )


def shortfall_note(reduction: ReductionConfig, grids: Mapping[Site, Grid]) -> str | None:
    """Return one sentence on sites where less merges than was asked for, or None.

    Args:
        reduction: At each site.
        grids: The tokens that arrive there.
    """
    told = [
        f"{site} {less}"
        for site, method in reduction.items()
        if (less := method.shortfall(grids[site])) is not None
    ]
    if not told:
        return None
    return f"one token of each cell stays, so fewer merge than was asked for: {', '.join(told)}"
