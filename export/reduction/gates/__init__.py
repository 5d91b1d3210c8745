"""Channel gates: fewer channels in the layers of a stage, where a reduction has fewer tokens.

Source: Bai, Mao & Nair, Dynamically Pruning SegFormer for Efficient Semantic Segmentation, 2021
(arXiv:2111.09499), whose gated layers these are.
"""

from segpp.errors import ReductionError
from segpp.export.reduction.gates.base import ChannelGate
from segpp.utils.registry import Registry

__all__ = ["GATES", "ChannelGate"]

GATES: Registry[type[ChannelGate]] = Registry(
    "segpp.export.reduction.gates.methods", "channel gate", ReductionError
)
