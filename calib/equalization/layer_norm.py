"""SmoothQuant in a LayerNorm: its gain and bias divided, the weights behind it multiplied.

One LayerNorm of SegFormer feeds queries and the reduction of keys at once, so one scale goes into
both. Where tokens are matched on it nothing is done: their similarity is an angle between vectors,
which scales of single channels turn.

The last LayerNorm of a stage enters the next stage's patch embedding and a product of the head. One
scale would be exact in both; but they lose less than 0.0004 of their outputs' power in INT8, and
scales made that between 6 % more and 12 % less (a B0 at 128x256, in OpenVINO's dialect), so changes
across blocks are left out. What a patch embedding gives enters a LayerNorm, which divides by the
deviation over all channels: a scale of one of them would change the others, and none is exact
there. What that LayerNorm gives stays in the residual sum, which takes no scale either.
"""

import numpy as np
import onnx

from segpp.calib.equalization import EQUALIZATIONS
from segpp.calib.equalization.base import (
    Change,
    Network,
    balanced,
    block_of_uses,
    edits_of_uses,
    factors_of_uses,
    input_magnitudes,
    weight_magnitudes,
)
from segpp.calib.graph.channels import attributes_of
from segpp.calib.graph.edit import Edit
from segpp.calib.ranges.file import Ranges

__all__ = ["through_layer_norms"]

_SHARE = 0.5


@EQUALIZATIONS.register("layer-norm")
def through_layer_norms(network: Network, ranges: Ranges) -> tuple[Change, ...]:
    """Return a change for every LayerNorm whose output enters weighted products alone."""
    found = (_change(network, ranges, node) for node in network.nodes if _is_affine(network, node))
    return tuple(change for change in found if change is not None)


def _is_affine(network: Network, node: onnx.NodeProto) -> bool:
    """Whether a node normalizes the last axis, with constant gain and perhaps bias of its size."""
    if node.op_type != "LayerNormalization" or len([name for name in node.output if name]) > 1:
        return False
    shape = network.follower.shapes.get(node.output[0], ())
    constants = [network.wiring.initializers.get(name) for name in node.input[1:]]
    fits = all(one is not None and tuple(one.dims) == shape[-1:] for one in constants)
    return bool(shape) and fits and attributes_of(node).get("axis", -1) in (-1, len(shape) - 1)


def _change(network: Network, ranges: Ranges, node: onnx.NodeProto) -> Change | None:
    tensor = node.output[0]
    numbers = network.follower.channels_of(tensor)
    uses = network.follower.uses(tensor, numbers)
    block = block_of_uses(network, uses) if uses else None
    if not uses or block is None or any(use.tensor not in ranges.tensors for use in uses):
        return None
    channels = numbers.shape[-1]
    scales = balanced(
        input_magnitudes(ranges, uses, channels),
        weight_magnitudes(network, uses, channels),
        _SHARE,
    )
    if np.all(scales == 1):
        return None
    own = tuple(
        Edit(node.name, index, np.reciprocal(scales)) for index in range(1, len(node.input))
    )
    behind = edits_of_uses(network, uses, scales)
    return Change(block, own + behind, factors_of_uses(uses, scales))
