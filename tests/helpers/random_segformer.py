"""A SegFormer of random weights in which nothing is trivial, for tests of what changes networks."""

from typing import Literal

import torch

from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import PRESETS
from segpp.manifest import Architecture

__all__ = ["HEADS", "Head", "network"]

# Different on purpose, so that a norm with another's number shows.
NUMERICS = Numerics(1e-6, 2e-6, 1e-5, 3e-6)

Head = Literal["linear", "conv-bn"]
HEADS: tuple[Head, ...] = ("linear", "conv-bn")


def architecture(size: str, head: Head) -> Architecture:
    if size == "b0":
        return segformer("b0", classes=5, head=head)
    # B2's channels with one block a stage and a decoder that is not a multiple of anything.
    b2 = segformer("b2", classes=7, head=head, decoder=90, channels=4)
    return Architecture(**{**vars(b2), "name": "segformer-custom", "depths": (1, 1, 1, 1)})


def network(size: str, head: Head, preset: str = "none") -> SegFormer:
    """Return a network in which no weight, bias, scale or statistic is trivial."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = SegFormer(architecture(size, head), NUMERICS)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.ndim == 1 and tensor.is_floating_point():
            drawn = torch.rand(tensor.shape, generator=generator)
            positive = name.endswith(("weight", "running_var"))
            tensor.data = drawn + 0.5 if positive else drawn - 0.5
    return model.eval().requires_grad_(requires_grad=False).apply_reductions(PRESETS[preset])
