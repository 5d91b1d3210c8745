"""The first product of a feed-forward divided, the depthwise convolution behind it multiplied.

The convolution stands before GELU, so that is exact; and its kernels have a scale of INT8 each, so
that they take all of the difficulty for nothing: every channel comes to fill the tensor's range.
"""

import numpy as np
import onnx

from segpp.calib.equalization import EQUALIZATIONS
from segpp.calib.equalization.base import (
    Change,
    Network,
    balanced,
    bias_of,
    block_of_uses,
    edits_of_outputs,
    edits_of_uses,
    factors_of_uses,
    input_magnitudes,
)
from segpp.calib.ranges.file import Ranges

__all__ = ["through_depthwise_convolutions"]


@EQUALIZATIONS.register("fc1-through-depthwise")
def through_depthwise_convolutions(network: Network, ranges: Ranges) -> tuple[Change, ...]:
    """Return a change for every product whose output enters a depthwise convolution alone."""
    found = (_change(network, ranges, node) for node in network.nodes if node.name in network.sites)
    return tuple(change for change in found if change is not None)


def _change(network: Network, ranges: Ranges, node: onnx.NodeProto) -> Change | None:
    site, bias = network.sites[node.name], bias_of(network, node)
    if site.groups != 1:
        return None
    tensor = node.output[0] if bias is None else bias[0].output[0]
    numbers = network.follower.channels_of(tensor, 1 if site.operator == "Conv" else -1)
    uses = network.follower.uses(tensor, numbers)
    block = block_of_uses(network, uses) if uses else None
    if not uses or block is None or not all(_is_depthwise(network, use.node) for use in uses):
        return None
    if any(use.tensor not in ranges.tensors for use in uses):
        return None
    channels = 1 + max(int(use.channels.max()) for use in uses)
    magnitudes = input_magnitudes(ranges, uses, channels)
    scales = balanced(magnitudes, np.ones_like(magnitudes), 1.0)
    if np.all(scales == 1):
        return None
    own = edits_of_outputs(network, node, np.reciprocal(scales))
    return Change(block, own + edits_of_uses(network, uses, scales), factors_of_uses(uses, scales))


def _is_depthwise(network: Network, node: onnx.NodeProto) -> bool:
    site = network.sites[node.name]
    kernels = network.weight(node).shape
    return site.groups > 1 and kernels[:2] == (site.groups, 1)
