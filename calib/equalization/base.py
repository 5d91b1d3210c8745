"""What an equalization is: channels of a tensor divided by scales that its takers multiply by.

Every scale is a power of two. Products and sums round the same way then as before, so that the
network computes what it computed, to the bit where the engine adds in the same order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from segpp.calib.graph.channels import Follower, Use
from segpp.calib.graph.edit import Edit
from segpp.calib.graph.shapes import shapes_of
from segpp.calib.graph.sites import Site
from segpp.calib.graph.wiring import Wiring, array_of, bias_behind, wiring_of
from segpp.calib.ranges.file import Ranges

__all__ = [
    "Change",
    "Equalization",
    "Network",
    "balanced",
    "bias_of",
    "block_of_uses",
    "edits_of_outputs",
    "edits_of_uses",
    "factors_of_uses",
    "input_magnitudes",
    "network_of",
    "weight_magnitudes",
]

Floats = NDArray[np.float32]

# Which input of a product is its bias, behind activations and weight.
_BIAS = 2
# Scales span so many powers of two at most.
_MOST_LOG2 = 8


@dataclass(frozen=True)
class Change:
    """One equalization at one place.

    Attributes:
        block: What it belongs to (``segpp.calib.graph.sites.Site.block``).
        edits: The weights to multiply.
        factors: For every observed tensor that changes what its channels are multiplied by, (C,).
    """

    block: str
    edits: tuple[Edit, ...]
    factors: Mapping[str, Floats]


@dataclass(frozen=True)
class Network:
    """A file's graph, and its weighted products by the names of their nodes."""

    wiring: Wiring
    follower: Follower
    sites: Mapping[str, Site]
    nodes: Sequence[onnx.NodeProto]

    def weight(self, node: onnx.NodeProto, index: int = 1) -> Floats:
        """Return a weight of a node."""
        return array_of(self.wiring.initializers[node.input[index]])


class Equalization(Protocol):
    """Finds where a network can be changed in one way."""

    def __call__(self, network: Network, ranges: Ranges) -> tuple[Change, ...]:
        """Return a change for every place, by the ranges that its tensors have."""


def network_of(model: onnx.ModelProto, sites: Sequence[Site]) -> Network:
    """Return what equalizations look at."""
    wiring = wiring_of(model.graph)
    outputs = frozenset(output.name for output in model.graph.output)
    return Network(
        wiring,
        Follower(wiring, shapes_of(model), outputs),
        {site.node: site for site in sites},
        list(model.graph.node),
    )


def block_of_uses(network: Network, uses: Sequence[Use]) -> str | None:
    """Return the block that all takers of a tensor belong to; None if they are of several.

    Changes are tried block by block, so one across blocks could not be judged.
    """
    sites = [network.sites.get(use.node.name) for use in uses]
    blocks = {site.block if site is not None else None for site in sites}
    return blocks.pop() if len(blocks) == 1 else None


def input_magnitudes(ranges: Ranges, uses: Sequence[Use], channels: int) -> Floats:
    """Return the largest magnitude of each channel of a tensor, over all that take it, (C,)."""
    found = np.zeros(channels, np.float32)
    for use in uses:
        seen = ranges.tensors[use.tensor]
        np.maximum.at(found, use.channels, np.maximum(np.abs(seen.low), np.abs(seen.high)))
    return found


def weight_magnitudes(network: Network, uses: Sequence[Use], channels: int) -> Floats:
    """Return the largest magnitude of the weights that each channel meets, (C,)."""
    found = np.zeros(channels, np.float32)
    for use in uses:
        weight, axis = np.abs(network.weight(use.node)), input_axis(network.sites[use.node.name])
        others = tuple(i for i in range(weight.ndim) if i != axis)
        np.maximum.at(found, use.channels, weight.max(others))
    return found


def input_axis(site: Site) -> int:
    """Return the axis of a site's weight that its input channels lie on."""
    if site.operator == "Conv":
        return 0 if site.groups > 1 else 1
    return 1 - site.output_axis


def balanced(activations: Floats, weights: Floats, share: float) -> Floats:
    """Return scales s = activations^share / weights^(1 - share), rounded to powers of two, (C,).

    Their middle is 1, since one scale for all channels changes nothing for INT8. Channels of zeros
    keep theirs. With a share of 1/2 both sides take the same part of the difficulty (SmoothQuant:
    Xiao et al., ICML 2023, equation 4).
    """
    alive = (activations > 0) & (weights > 0)
    logs = np.zeros(len(activations), np.float64)
    logs[alive] = share * np.log2(activations[alive]) - (1 - share) * np.log2(weights[alive])
    if alive.any():
        logs[alive] -= np.median(logs[alive])
    limited = np.clip(np.round(logs), -_MOST_LOG2, _MOST_LOG2)
    return np.exp2(limited).astype(np.float32)


def edits_of_uses(network: Network, uses: Sequence[Use], scales: Floats) -> tuple[Edit, ...]:
    """Return the edits that multiply the input channels of products by scales."""
    edits = []
    for use in uses:
        site, form = network.sites[use.node.name], network.weight(use.node).ndim
        shape = [-1 if i == input_axis(site) else 1 for i in range(form)]
        edits.append(Edit(use.node.name, 1, scales[use.channels].reshape(shape)))
    return tuple(edits)


def factors_of_uses(uses: Sequence[Use], scales: Floats) -> dict[str, Floats]:
    """Return what becomes of the tensors that products take."""
    return {use.tensor: np.reciprocal(scales[use.channels]) for use in uses}


def edits_of_outputs(network: Network, node: onnx.NodeProto, factor: Floats) -> tuple[Edit, ...]:
    """Return the edits that multiply a product's output channels.

    Args:
        node: The product; a bias that is added behind belongs to it.
        factor: Of each output channel.
    """
    weight, site = network.weight(node), network.sites[node.name]
    shape = [-1 if i == site.output_axis else 1 for i in range(weight.ndim)]
    edits = [Edit(node.name, 1, factor.reshape(shape))]
    bias = bias_of(network, node)
    if bias is not None:
        edits.append(Edit(bias[0].name, bias[1], factor))
    return tuple(edits)


def bias_of(network: Network, node: onnx.NodeProto) -> tuple[onnx.NodeProto, int] | None:
    """Return the node that adds a product's bias, and which of its inputs that is."""
    if any(node.input[_BIAS:]):
        return node, _BIAS
    channels = network.weight(node).shape[network.sites[node.name].output_axis]
    return bias_behind(node.output[0], channels, network.wiring)
