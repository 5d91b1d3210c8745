"""The kernels as operators of PyTorch, and bsm on top of them.

The library is ``operators.cu`` with the kernels; ``SEGPP_GPU_OPERATORS`` names it. Kernels run in
PyTorch's current stream and take scratch memory from its allocator, so that a CUDA graph captures
them. Built with the CPU emulation, the same operators work on tensors of the CPU.
"""

import ctypes
import os
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from segpp.errors import CheckError
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.ops import MAX_INT8_CLASSES
from segpp.ops.grid import Grid

__all__ = ["KernelMatching", "match", "merge", "resize_argmax", "unmerge"]

_TYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}


@torch.library.custom_op("segpp_kernels::match", mutates_args=())
def match(  # noqa: PLR0917 - the attributes of the operator
    x: Tensor, height: int, width: int, stride_y: int, stride_x: int, merged: int, window: int
) -> Tensor:
    """Assign each token of x (B, N, C) a slot (B, N) int32."""
    x = x.contiguous()
    shape = _numbers(x.shape[0], x.shape[2], height, width, stride_y, stride_x, merged, window)
    kind = _TYPES[x.dtype]
    _prepare(tuple(shape), kind)
    slot = torch.empty(x.shape[:2], dtype=torch.int32, device=x.device)
    bytes_ = _library().segppMatchWorkspace(shape, kind)
    workspace = torch.empty(bytes_, dtype=torch.uint8, device=x.device)
    _call("segppMatch", shape, kind, x, slot, workspace)
    return slot


@torch.library.custom_op("segpp_kernels::merge", mutates_args=())
def merge(x: Tensor, slot: Tensor, slots: int, singles: int) -> Tensor:
    """Average the rows of x (B, N, C) that share a slot, to (B, slots, C).

    Each of the first ``singles`` slots has one row.
    """
    x = x.contiguous()
    y = x.new_empty(x.shape[0], slots, x.shape[2])
    _call("segppMerge", _numbers(*x.shape, slots, singles), _TYPES[x.dtype], x, slot, y)
    return y


@torch.library.custom_op("segpp_kernels::unmerge", mutates_args=())
def unmerge(y: Tensor, slot: Tensor) -> Tensor:
    """Give every token the row of its slot: y (B, M, C), slot (B, N) to (B, N, C)."""
    y = y.contiguous()
    x = y.new_empty(*slot.shape, y.shape[2])
    _call("segppUnmerge", _numbers(*x.shape, y.shape[1]), _TYPES[y.dtype], y, slot, x)
    return x


@torch.library.custom_op("segpp_kernels::resize_argmax", mutates_args=())
def resize_argmax(logits: Tensor, height: int, width: int) -> Tensor:
    """Resize logits (B, K, h, w) bilinearly; return the best class (B, height, width)."""
    logits = logits.contiguous()
    labels = _labels(logits, height, width)
    shape = _numbers(*logits.shape, height, width)
    _call("segppResizeArgmax", shape, _TYPES[logits.dtype], logits, labels)
    return labels


@match.register_fake
def _(  # noqa: PLR0917
    x: Tensor,
    height: int,  # noqa: ARG001 - the shape alone
    width: int,  # noqa: ARG001
    stride_y: int,  # noqa: ARG001
    stride_x: int,  # noqa: ARG001
    merged: int,  # noqa: ARG001
    window: int,  # noqa: ARG001
) -> Tensor:
    return torch.empty(x.shape[:2], dtype=torch.int32, device=x.device)


@merge.register_fake
def _(x: Tensor, slot: Tensor, slots: int, singles: int) -> Tensor:  # noqa: ARG001
    return x.new_empty(x.shape[0], slots, x.shape[2])


@unmerge.register_fake
def _(y: Tensor, slot: Tensor) -> Tensor:
    return y.new_empty(*slot.shape, y.shape[2])


@resize_argmax.register_fake
def _(logits: Tensor, height: int, width: int) -> Tensor:
    return _labels(logits, height, width)


@dataclass(frozen=True)
class KernelMatching(BipartiteSoftMatching):
    """bsm, computed by the kernels."""

    def match(self, x: Tensor, grid: Grid) -> "_Matched":
        """Match the tokens x (B, N, C)."""
        strides = self.sy, self.sx
        slot = match(x, grid.height, grid.width, *strides, self.num_merged(grid), self.window)
        destinations = (grid.height // self.sy) * (grid.width // self.sx)
        return _Matched(slot, self.tokens_out(grid), self.tokens_out(grid) - destinations)


@dataclass(frozen=True)
class _Matched:
    slot: Tensor
    slots: int
    singles: int

    def merge(self, x: Tensor) -> Tensor:
        y: Tensor = merge(x, self.slot, self.slots, self.singles)
        return y

    def unmerge(self, y: Tensor) -> Tensor:
        x: Tensor = unmerge(y, self.slot)
        return x


def _labels(logits: Tensor, height: int, width: int) -> Tensor:
    kind = torch.int8 if logits.shape[1] <= MAX_INT8_CLASSES else torch.int32
    return torch.empty(logits.shape[0], height, width, dtype=kind, device=logits.device)


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(os.environ["SEGPP_GPU_OPERATORS"])
    library.segppMatchWorkspace.restype = ctypes.c_int64
    return library


@cache
def _prepare(shape: tuple[int, ...], kind: int) -> None:
    # Outside of a capture: the first call of every shape is a warm-up.
    _require_success("segppMatchPrepare", _library().segppMatchPrepare(_numbers(*shape), kind))


def _numbers(*values: int) -> "ctypes.Array[ctypes.c_int32]":
    return (ctypes.c_int32 * len(values))(*values)


def _call(name: str, shape: "ctypes.Array[ctypes.c_int32]", kind: int, *tensors: Tensor) -> None:
    on_gpu = tensors[0].is_cuda
    stream = torch.cuda.current_stream().cuda_stream if on_gpu else None
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    function = getattr(_library(), name)
    _require_success(name, function(shape, kind, *pointers, ctypes.c_void_p(stream)))


def _require_success(name: str, code: int) -> None:
    if code:
        raise CheckError(f"{name} was refused: cudaError_t {code}")
