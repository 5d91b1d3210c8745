"""Whether tensors of a checkpoint are what a network needs, whatever the network."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from segpp.errors import CheckpointError

__all__ = ["check_finite", "check_plain", "check_shapes", "counted", "owned", "shortened"]

_SHOWN = 3
# Of BatchNorm, in every codebase.
_VARIANCE = ".running_var"
_DTYPES = {torch.float32, torch.float64, torch.float16, torch.bfloat16}


def check_plain(tensors: Mapping[str, Tensor], names: Iterable[str], path: Path) -> None:
    """Raise CheckpointError if one of the tensors is not a plain array of real numbers."""
    for name in names:
        tensor = tensors[name]
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


def check_shapes(
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    network: str,
    path: Path,
    *,
    plain: str,
) -> None:
    """Raise CheckpointError if a tensor has another shape than ``network`` needs."""
    wrong = [name for name, tensor in expected.items() if tensors[name].shape != tensor.shape]
    if wrong:
        raise CheckpointError(
            f"{path} has {counted(wrong)} of the wrong shape for {network}",
            *(
                f"{name}: expected {tuple(expected[name].shape)}, "
                f"found {tuple(tensors[name].shape)}"
                for name in wrong[:_SHOWN]
            ),
            hint=f"a changed network cannot be exported; give {plain}",
        )


def check_finite(tensors: Mapping[str, Tensor], names: Iterable[str], path: Path) -> None:
    """Raise CheckpointError if one of the tensors called ``names`` has a NaN or an infinity.

    Neither may a variance be negative: its root would be a NaN, which no logit shows where it only
    decides what merges.
    """
    # Half the time of isfinite().all(): NaN and infinity both come out as an extreme.
    # There may be no numbers at all, as of registers that a network does without.
    some = [name for name in names if tensors[name].numel()]
    extremes = {name: torch.stack(tensors[name].aminmax()) for name in some}
    broken = [name for name, ends in extremes.items() if not bool(ends.isfinite().all())]
    if broken:
        raise CheckpointError(
            f"{path} has NaN or infinity in {counted(broken)}",
            f"found in: {shortened(broken)}",
            hint="the training diverged: give an earlier checkpoint",
        )
    variances = {name: ends for name, ends in extremes.items() if name.endswith(_VARIANCE)}
    if negative := [name for name, ends in variances.items() if float(ends[0]) < 0]:
        raise CheckpointError(
            f"{path} has negative variances in {counted(negative)}",
            f"found in: {shortened(negative)}",
            hint="the file is damaged: save the whole state dict again",
        )


def shortened(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name[:120] for name in names[:_SHOWN]) + more


def counted(names: list[str]) -> str:
    """Return how many tensors these are, as a noun."""
    return "1 tensor" if len(names) == 1 else f"{len(names)} tensors"


def _overlaps(tensor: Tensor) -> bool:
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def owned(tensor: Tensor) -> Tensor:
    """Return a copy in FP32: the original may be a view into a file that somebody replaces."""
    return tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
