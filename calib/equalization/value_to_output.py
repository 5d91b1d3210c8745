"""Values divided, the output projection behind attention multiplied.

Attention averages values over keys, each channel for itself, so a scale of a channel passes. The
output projection takes heads side by side and mixes them: its rows belong to one channel each.
"""

from collections.abc import Iterator

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
    weight_magnitudes,
)
from segpp.calib.graph.channels import Use
from segpp.calib.ranges.file import Ranges

__all__ = ["from_values_to_outputs"]

_SHARE = 0.5


@EQUALIZATIONS.register("value-to-output")
def from_values_to_outputs(network: Network, ranges: Ranges) -> tuple[Change, ...]:
    """Return a change for every product whose output, or a part of it, is attention's values."""
    found = (
        _change(network, ranges, node, first, uses)
        for node in network.nodes
        if node.name in network.sites and network.sites[node.name].kind == "kv"
        for first, uses in _values(network, node)
    )
    return tuple(change for change in found if change is not None)


def _values(network: Network, node: onnx.NodeProto) -> Iterator[tuple[int, tuple[Use, ...]]]:
    """Yield the first channel of the values that a product gives, and what takes them."""
    bias = bias_of(network, node)
    given = node.output[0] if bias is None else bias[0].output[0]
    first = 0
    for part in _parts(network, given):
        numbers = network.follower.channels_of(part)
        uses = network.follower.uses(part, numbers)
        if uses and all(network.sites[use.node.name].kind == "out" for use in uses):
            yield first, uses
        first += numbers.shape[-1]


def _parts(network: Network, tensor: str) -> tuple[str, ...]:
    """Return keys and values where a tensor is split into these, else the tensor."""
    users = network.wiring.users(tensor)
    if len(users) == 1 and users[0].op_type == "Split":
        shape, parts = network.follower.shapes[tensor], tuple(users[0].output)
        widths = [network.follower.shapes[part][-1] for part in parts]
        return parts if sum(widths) == shape[-1] else ()
    return (tensor,)


def _change(
    network: Network, ranges: Ranges, node: onnx.NodeProto, first: int, uses: tuple[Use, ...]
) -> Change | None:
    block = block_of_uses(network, uses)
    if block is None or any(use.tensor not in ranges.tensors for use in uses):
        return None
    channels = 1 + max(int(use.channels.max()) for use in uses)
    activations = input_magnitudes(ranges, uses, channels)
    scales = balanced(activations, weight_magnitudes(network, uses, channels), _SHARE)
    if np.all(scales == 1):
        return None
    width = network.weight(node).shape[network.sites[node.name].output_axis]
    factor = np.ones(width, np.float32)
    factor[first : first + channels] = np.reciprocal(scales)
    own = edits_of_outputs(network, node, factor)
    return Change(block, own + edits_of_uses(network, uses, scales), factors_of_uses(uses, scales))
