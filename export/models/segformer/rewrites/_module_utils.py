"""Small things that several rewrites do to modules."""

from collections.abc import Iterator
from typing import cast

from torch import Tensor, nn

from segpp.export.models.segformer.model import Attention, Block, SegFormer, Stage

__all__ = ["attentions", "blocks", "conv_1x1", "linear", "stages"]


def stages(model: SegFormer) -> Iterator[Stage]:
    """Iterate over the stages, outermost first."""
    return (cast("Stage", stage) for stage in model.stages)


def blocks(model: SegFormer) -> Iterator[Block]:
    """Iterate over the blocks of all stages."""
    return (cast("Block", block) for stage in stages(model) for block in stage.blocks)


def attentions(model: SegFormer) -> Iterator[Attention]:
    """Iterate over the attention of every block."""
    return (block.attention for block in blocks(model))


def linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a linear layer with the weight (out, in) and that bias (out)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = _parameter(weight)
    layer.register_parameter("bias", None if bias is None else _parameter(bias))
    return layer


def conv_1x1(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """Return a 1x1 convolution with the weight (out, in) and that bias (out)."""
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=False, device="meta")
    layer.weight = _parameter(weight[:, :, None, None])
    layer.register_parameter("bias", None if bias is None else _parameter(bias))
    return layer


def _parameter(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.contiguous(), requires_grad=False)
