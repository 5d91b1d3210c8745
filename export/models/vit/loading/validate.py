"""Whether a state dict is a whole plain ViT of one format, and the one that is described."""

from collections.abc import Collection, Mapping
from pathlib import Path

from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.training_only import is_counter, left_out, why_unused
from segpp.export.models._common.tensors import counted, shortened
from segpp.export.models.vit.architecture import shape_of
from segpp.export.models.vit.loading.formats import CheckpointFormat
from segpp.export.models.vit.loading.variant import VARIANT, Variant
from segpp.manifest import Architecture

__all__ = ["check_present", "check_upsampling", "check_variant", "unused_keys"]

# Of SETR's PUP as published; of another number nothing in the weights tells the factor of each.
_UPSAMPLINGS = 4


def check_present(
    fmt: CheckpointFormat, tensors: Mapping[str, Tensor], expected: Collection[str], path: Path
) -> None:
    """Raise CheckpointError if an expected tensor is missing."""
    if missing := [name for name in expected if name not in tensors]:
        raise CheckpointError(
            f"{path} lacks {counted(missing)} of a plain ViT",
            f"format: {fmt.title}, {len(expected) - len(missing)} of {len(expected)} tensors found",
            f"missing: {shortened(missing)}",
            hint="it may be incomplete or a changed network: save the whole state dict again",
        )


def unused_keys(
    fmt: CheckpointFormat, tensors: Mapping[str, Tensor], used: Collection[str], path: Path
) -> tuple[dict[str, str], str | None]:
    """Return the names of tensors that take no part in a mask and why, and a sentence on them.

    Raises:
        CheckpointError: A tensor may take part and has no place in the network.
    """
    reasons = {name: _why(fmt, name) for name in tensors if name not in used}
    told = left_out(reasons, used, path, f"format: {fmt.title}")
    return {name: why for name, why in reasons.items() if why and not is_counter(name)}, told


def _why(fmt: CheckpointFormat, name: str) -> str | None:
    if fmt.is_unused(name):
        return next(why for start, why in fmt.unused.items() if name.startswith(start))
    roots = {module.theirs.partition(".")[0] for module in fmt.modules()}
    # Inside the network's own modules, what is called like a metric may still be a layer.
    inside = name.partition(".")[0] in roots
    return why_unused(name) if not inside or is_counter(name) else None


def check_upsampling(architecture: Architecture, path: Path) -> None:
    """Raise CheckpointError for a SETR-PUP with another number of upsamplings than published."""
    found = shape_of(architecture).upscalings
    if architecture.head == "setr-pup" and found != _UPSAMPLINGS:
        raise CheckpointError(
            f"{path} has a SETR-PUP with {found} upsamplings, expected: {_UPSAMPLINGS}",
            hint="a changed network cannot be exported; give one with num_convs=4, up_scale=2",
        )


def check_variant(
    variant: Variant, architecture: Architecture, path: Path, *, distilled: bool
) -> None:
    """Raise CheckpointError if ``variant.yml`` describes another network than the weights."""
    shape = shape_of(architecture)
    found = {
        "dim": architecture.dims[0],
        "depth": len(architecture.depths),
        "patch": shape.patch,
        "classes": architecture.classes,
        "head": architecture.head,
        "distilled": distilled,
    }
    if architecture.head == "mask-transformer":
        found["head_blocks"] = shape.head_blocks
    for key, has in found.items():
        says = getattr(variant, key)
        if says is not None and says != has:
            raise CheckpointError(
                f"{path.parent / VARIANT} is of another network than {path.name}",
                f"{_NAMES[key]}: it says {says}, and the weights have {has}",
                hint="put the file that was written with these weights beside them",
            )


_NAMES = {
    "dim": "d_model",
    "depth": "n_layers",
    "patch": "patch_size",
    "classes": "n_cls",
    "head": "decoder",
    "distilled": "distilled",
    "head_blocks": "decoder.n_layers",
}
