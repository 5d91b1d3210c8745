"""Whether a state dict is a whole and healthy SegFormer of one format."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.training_only import is_counter, left_out, why_unused
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

_SHOWN = 3
_DTYPES = {torch.float32, torch.float64, torch.float16, torch.bfloat16}


def check_sound(fmt: CheckpointFormat, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise CheckpointError if a tensor of the network is not a plain array of real numbers."""
    for name, tensor in tensors.items():
        if match_key(fmt, name) is None or name.endswith("num_batches_tracked"):
            continue
        if tensor.dtype not in _DTYPES:
            raise CheckpointError(
                f"{path} holds {name} as {str(tensor.dtype).removeprefix('torch.')}",
                "expected: float32, float64, float16 or bfloat16",
                hint="give the checkpoint from before it was quantised",
            )
        # A few bytes can pretend to be a tensor that fills the memory.
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or _overlaps(tensor):
            raise CheckpointError(
                f"{path} does not hold the numbers of {name}",
                f"found: a {tensor.layout} tensor {tuple(tensor.shape)} on {tensor.device}",
                hint="save the state dict of the loaded network",
            )


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
        f"{path} lacks {_counted(missing)} of a SegFormer",
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
    wrong = [name for name, tensor in expected.items() if tensors[name].shape != tensor.shape]
    if wrong:
        raise CheckpointError(
            f"{path} has {_counted(wrong)} of the wrong shape for {network}",
            *(
                f"{name}: expected {tuple(expected[name].shape)}, "
                f"found {tuple(tensors[name].shape)}"
                for name in wrong[:_SHOWN]
            ),
            hint="a changed network cannot be exported; give a plain SegFormer",
        )


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


def check_finite(tensors: Mapping[str, Tensor], names: Mapping[str, Tensor], path: Path) -> None:
    """Raise CheckpointError if one of the tensors called ``names`` has a NaN or an infinity."""
    # Half the time of isfinite().all(): NaN and infinity both come out as an extreme.
    extremes = {name: torch.stack(tensors[name].aminmax()) for name in names}
    broken = [name for name, ends in extremes.items() if not bool(ends.isfinite().all())]
    if broken:
        raise CheckpointError(
            f"{path} has NaN or infinity in {_counted(broken)}",
            f"found in: {shortened(broken)}",
            hint="the training diverged: give an earlier checkpoint",
        )


def shortened(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:120] for name in names[:_SHOWN]) + more


def _counted(names: list[str]) -> str:
    return "1 tensor" if len(names) == 1 else f"{len(names)} tensors"


def _overlaps(tensor: Tensor) -> bool:
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()
