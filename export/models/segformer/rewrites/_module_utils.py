"""Small things that several rewrites do to modules."""

from collections.abc import Iterator
from typing import cast

from segpp.export.models._common.linear import conv_1x1, linear
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
