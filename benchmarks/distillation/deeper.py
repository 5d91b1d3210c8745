"""A trained SegFormer made deeper: every block of a stage several times, each a part of its change.

A stage of n blocks becomes one of m >= n: block j is a copy of block j * n // m, and what it adds
to the tokens is divided by how many copies there are. The deeper network starts close to the old
one and every block takes part in its result from the first step, where blocks that start at zero
stay there.
"""

from collections import Counter
from dataclasses import replace

import torch

from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.loading import SegFormerCheckpoint
from segpp.export.models.segformer.model import SegFormer

__all__ = ["b2_depths", "deeper"]

# What a block adds to its tokens comes out of these two layers.
_LAST = ("attention.out", "ffn.fc2")


def deeper(checkpoint: SegFormerCheckpoint, depths: tuple[int, ...]) -> SegFormer:
    """Return the checkpoint's network with so many blocks in each stage."""
    old = checkpoint.build()
    architecture = replace(checkpoint.architecture, name="segformer-custom", depths=depths)
    new = SegFormer(architecture, checkpoint.numerics)
    state = dict(old.state_dict())
    for stage, depth in enumerate(depths):
        for name in [one for one in state if one.startswith(f"stages.{stage}.blocks.")]:
            del state[name]
        state |= _blocks(old, stage, depth)
    new.load_state_dict(state)
    return new


def _blocks(old: SegFormer, stage: int, depth: int) -> dict[str, torch.Tensor]:
    blocks = old.get_submodule(f"stages.{stage}.blocks")
    count = len(list(blocks.children()))
    sources = [number * count // depth for number in range(depth)]
    copies = Counter(sources)
    state = {}
    for number, source in enumerate(sources):
        for name, tensor in blocks.get_submodule(str(source)).state_dict().items():
            part = copies[source] if name.startswith(_LAST) else 1
            state[f"stages.{stage}.blocks.{number}.{name}"] = tensor.clone() / part
    return state


def b2_depths() -> tuple[int, ...]:
    """Return how many blocks the stages of a B2 have."""
    return segformer("b2", classes=1).depths
