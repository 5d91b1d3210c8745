"""What each block costs: one at a time in INT8, everything else as it was.

Forward runs alone, and no labels: the divergence of the class probabilities from the float
network's is small where masks are kept, and smooth where counting labels would be noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray

from segpp.calib.graph.sites import Site
from segpp.calib.pictures.runs import Batch, LogitsOf
from segpp.calib.plan import Plan
from segpp.calib.selection.costs import BlockCost
from segpp.calib.writers.base import Writer

__all__ = ["BlockCost", "blocks_of", "divergence", "sensitivities"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def sensitivities(
    model: onnx.ModelProto,
    plan: Plan,
    writer: Writer,
    batches: Sequence[Batch],
    logits_of: LogitsOf,
    *,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> tuple[BlockCost, ...]:
    """Return what every block of a plan costs on some pictures, in the order of the graph."""
    expected = logits_of(model, batches)
    blocks = blocks_of(plan.sites)
    costs = []
    for number, (block, sites) in enumerate(blocks.items(), start=1):
        alone = writer.write(model, replace(plan, sites=sites))
        costs.append(BlockCost(block, len(sites), divergence(expected, logits_of(alone, batches))))
        after_each(number, len(blocks))
    return tuple(costs)


def blocks_of(sites: Sequence[Site]) -> dict[str, tuple[Site, ...]]:
    """Return the sites of each block, in the order of the graph."""
    blocks: dict[str, tuple[Site, ...]] = {}
    for site in sites:
        blocks[site.block] = (*blocks.get(site.block, ()), site)
    return blocks


def divergence(expected: Sequence[Floats], found: Sequence[Floats]) -> float:
    """Return the mean divergence of logits (B, K, h, w) from others, in nats per pixel.

    One channel is the logit of a sigmoid. Of labels (B, H, W), which tell no probabilities, it is
    the share of pixels that differ.
    """
    means = [_divergence_of(a, b) for a, b in zip(expected, found, strict=True)]
    return float(np.mean(means))


def _divergence_of(expected: Floats, found: Floats) -> float:
    if np.issubdtype(expected.dtype, np.integer):
        return float(np.mean(expected != found))
    return _divergence(_two(expected), _two(found))


def _divergence(expected: Doubles, found: Doubles) -> float:
    p, q = _log_softmax(expected), _log_softmax(found)
    return float((np.exp(p) * (p - q)).sum(1).mean())


def _two(logits: Floats) -> Doubles:
    wide = logits.astype(np.float64)
    return np.concatenate([np.zeros_like(wide), wide], 1) if wide.shape[1] == 1 else wide


def _log_softmax(logits: Doubles) -> Doubles:
    shifted = logits - logits.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))
