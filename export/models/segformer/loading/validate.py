"""Whether a state dict is a whole and healthy SegFormer of one format."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.training_only import is_counter, left_out, why_unused
from segpp.export.models._common import tensors as generic
from segpp.export.models._common.tensors import check_finite, counted, shortened
from segpp.export.models.segformer.loading.formats import (
    CheckpointFormat,
    encoder_root,
    is_unused,
    match_key,
    root_modules,
)

__all__ = [
    "ENCODER_ONLY",
    "check_depths",
    "check_finite",
    "check_present",
    "check_shapes",
    "check_sound",
    "shortened",
    "unused_keys",
]

ENCODER_ONLY = "holds a SegFormer encoder without its decode head"

_COUNTER = "num_batches_tracked"


def check_sound(fmt: CheckpointFormat, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise CheckpointError if a tensor of the network is not a plain array of real numbers."""
    known = (name for name in tensors if match_key(fmt, name) is not None)
    generic.check_plain(tensors, [n for n in known if not n.endswith(_COUNTER)], path)


def check_present(
    fmt: CheckpointFormat, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path
) -> None:
    """Raise CheckpointError if an expected tensor is missing."""
    missing = [name for name in expected if name not in tensors]
    if not missing:
        return
    present = len(expected) - len(missing)
    facts = (
        f"format: {fmt.title}, {present} of {len(expected)} tensors found",
        f"missing: {shortened(missing)}",
    )
    encoder = f"{encoder_root(fmt)}."
    if not any(name in tensors for name in expected if not name.startswith(encoder)):
        raise CheckpointError(
            f"{path} {ENCODER_ONLY}",
            *facts,
            hint="give a checkpoint trained for segmentation, not a pretrained backbone",
        )
    raise CheckpointError(
        f"{path} lacks {counted(missing)} of a SegFormer",
        *facts,
        hint="it may be incomplete or a changed network: save the whole state dict again",
    )


def unused_keys(
    fmt: CheckpointFormat, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path
) -> dict[str, str]:
    """Return the names of tensors that take no part in a mask, and why.

    Raises:
        CheckpointError: A tensor may take part and has no place in a SegFormer.
    """
    unused = {name: _why_unused(fmt, name) for name in tensors if name not in expected}
    left_out(unused, expected, path, f"format: {fmt.title}")
    return {name: why for name, why in unused.items() if why and not is_counter(name)}


def _why_unused(fmt: CheckpointFormat, name: str) -> str | None:
    if is_unused(fmt, name):
        return "never trained"
    # Inside the network's own modules, what is called like a metric may still be a layer.
    inside = name.partition(".")[0] in root_modules(fmt)
    reason = why_unused(name)
    return None if inside and not is_counter(name) and reason != "a loss" else reason


def check_shapes(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], network: str, path: Path
) -> None:
    """Raise CheckpointError if a tensor has another shape than ``network`` needs."""
    generic.check_shapes(tensors, expected, network, path, plain="a plain SegFormer")


def check_depths(found: tuple[int, ...], said: object, path: Path) -> None:
    """Raise CheckpointError if a configuration gives other numbers of blocks than the names.

    Args:
        found: Per stage.
        said: What the configuration has there; anything but a list says nothing.
    """
    if isinstance(said, list | tuple) and tuple(said) != found:
        raise CheckpointError(
            f"{path} has {_listed(found)} blocks in its stages, and its configuration says "
            f"{_listed(said)}"[:300],
            hint="it lacks blocks, or the configuration is another network's: save both again",
        )


def _listed(numbers: Iterable[object]) -> str:
    return ",".join(map(str, numbers))
