"""Small checkpoints with random weights, as each codebase would save them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segpp.export.models.segformer.architecture import HEADS, Numerics
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.loading.formats import LAYOUTS
from segpp.export.models.segformer.model import SegFormer
from segpp.manifest import Architecture

AMBIGUOUS = ("bubbliiiing", "sithu31296")
MINIATURE = Architecture(
    "segformer-custom", (8, 16, 40, 64), (1, 2, 1, 1), HEADS, "conv-bn", 12, classes=3, channels=3
)

Write = Callable[[object], Path]


def ours(architecture: Architecture = MINIATURE) -> dict[str, Tensor]:
    """A state dict of ours with random weights."""
    generator = torch.Generator().manual_seed(0)
    state = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).state_dict()
    return {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in state.items()
        if tensor.is_floating_point()
    }


def theirs(layout: str = "mmsegmentation", **changes: Any) -> dict[str, Tensor]:
    """A state dict as ``layout`` would save it."""
    head = LAYOUTS[layout].head
    return state_dict_for(layout, ours(replace(MINIATURE, **{"head": head, **changes})))


def nvlabs() -> dict[str, Tensor]:
    """NVlabs' files have an untrained classifier of 128 channels under mmsegmentation's name."""
    return theirs("nvlabs") | {
        "decode_head.conv_seg.weight": torch.zeros(3, 128, 1, 1),
        "decode_head.conv_seg.bias": torch.zeros(3),
    }


def assert_same(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert state.keys() == expected.keys()
    assert [name for name in state if not torch.equal(state[name], expected[name])] == []
