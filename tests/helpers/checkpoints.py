"""Small checkpoints with random weights, as each codebase would save them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx_ir
import torch
from torch import Tensor

from segpp.export.models.base import Checkpoint
from segpp.export.models.network import Network
from segpp.export.models.segformer.architecture import HEADS, Numerics
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import FORMATS
from segpp.export.models.segformer.model import SegFormer
from segpp.export.onnx_graph.trace import trace
from segpp.manifest import Architecture
from segpp.ops.grid import Size

AMBIGUOUS = ("bubbliiiing", "sithu31296")
MINIATURE = Architecture(
    "segformer-custom", (8, 16, 40, 64), (1, 2, 1, 1), HEADS, "conv-bn", 12, classes=3, channels=3
)

Write = Callable[[object], Path]


def ours(architecture: Architecture = MINIATURE) -> dict[str, Tensor]:
    """A state dict of ours with random weights, and variances that can be some."""
    generator = torch.Generator().manual_seed(0)
    state = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).state_dict()
    drawn = {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in state.items()
        if tensor.is_floating_point()
    }
    return {n: t.abs() if n.endswith("running_var") else t for n, t in drawn.items()}


def theirs(checkpoint_format: str = "mmsegmentation", **changes: Any) -> dict[str, Tensor]:
    """A state dict as the codebase of ``checkpoint_format`` would save it."""
    head = FORMATS[checkpoint_format].head
    return state_dict_for(checkpoint_format, ours(replace(MINIATURE, **{"head": head, **changes})))


def lively(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors in sizes at which masks have several classes and no variance is negative."""
    made = {}
    for name, tensor in state.items():
        fan_in = tensor[0].numel() if tensor.ndim > 1 else 1
        made[name] = tensor * (1.6 / fan_in) ** 0.5 if tensor.ndim > 1 else tensor * 0.1
        if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            made[name] = made[name].abs() + 0.8
    return made


def nvlabs() -> dict[str, Tensor]:
    """NVlabs' files have an untrained classifier of 128 channels under mmsegmentation's name."""
    return theirs("nvlabs") | {
        "decode_head.conv_seg.weight": torch.zeros(3, 128, 1, 1),
        "decode_head.conv_seg.bias": torch.zeros(3),
    }


def told(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The notes on a miniature, without what is assumed of the heads of any."""
    return tuple(note for note in checkpoint.notes if "no published ones" not in note)


def assert_same(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert state.keys() == expected.keys()
    assert [name for name in state if not torch.equal(state[name], expected[name])] == []


def trace_network(model: Network, size: Size) -> onnx_ir.Model:
    """A network in FP32 for one image of ``size``, as torch's exporter leaves it."""
    image = torch.zeros(1, model.architecture.channels, *size)
    return trace(model, image, names=("image", "logits"))
