"""How long a file would take on a board: an estimate, from counts and peak rates alone.

Every layer takes as long as its arithmetic or its memory traffic, whichever is longer (the roofline
model: Williams et al., Communications of the ACM 52(4), 2009), and every launch a little besides.
What share of the peaks a real engine reaches is not known beforehand, so there are two answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from segpp.inspection.board.boards import Board
from segpp.inspection.board.layers import Layer
from segpp.inspection.board.parts import PARTS

__all__ = ["AT_BEST", "AT_WORST", "Assumptions", "Estimate", "PartEstimate", "estimate_latency"]


@dataclass(frozen=True)
class Assumptions:
    """What share of a board's peaks is reached.

    Attributes:
        arithmetic: Of the multiply-accumulates per second.
        bandwidth: Of the memory's bytes per second.
        launch: Seconds for each layer that does not disappear into another.
        fuses: Whether element-wise layers and the scores of attention stay on the chip.
        tf32: Whether FP32 products run on tensor cores.
    """

    arithmetic: float
    bandwidth: float
    launch: float
    fuses: bool
    tf32: bool


# Not measured on a board. Large products reach about two thirds of a peak in good libraries, small
# ones, of which these networks are full, far less; copies reach 80-90 % of a memory's rate.
AT_BEST = Assumptions(arithmetic=0.6, bandwidth=0.85, launch=2e-6, fuses=True, tf32=True)
AT_WORST = Assumptions(arithmetic=0.2, bandwidth=0.6, launch=6e-6, fuses=False, tf32=False)


@dataclass(frozen=True)
class PartEstimate:
    """One part of a network, or all of it.

    Attributes:
        macs: Multiply-accumulates.
        bytes: Moved at least and at most.
        seconds: At best and at worst.
        memory_bound: The share of the time at best in which memory, not arithmetic, is waited for.
    """

    part: str
    macs: int
    bytes: tuple[int, int]
    seconds: tuple[float, float]
    memory_bound: float


@dataclass(frozen=True)
class Estimate:
    """What a board would need for one call, by part and in all."""

    parts: tuple[PartEstimate, ...]
    total: PartEstimate


def estimate_latency(layers: Sequence[Layer], board: Board) -> Estimate:
    """Return how long the layers would take, one after the other."""
    there = [part for part in PARTS if any(layer.part == part for layer in layers)]
    parts = (_part(part, [one for one in layers if one.part == part], board) for part in there)
    return Estimate(tuple(parts), _part("total", layers, board))


def _part(name: str, layers: Sequence[Layer], board: Board) -> PartEstimate:
    best = [_seconds(layer, board, AT_BEST) for layer in layers]
    worst = [_seconds(layer, board, AT_WORST) for layer in layers]
    waiting = sum(one[1] for one in best if one[1] > one[0])
    whole = sum(max(one[:2]) + one[2] for one in best)
    return PartEstimate(
        part=name,
        macs=sum(layer.macs for layer in layers),
        bytes=(sum(layer.least for layer in layers), sum(layer.most for layer in layers)),
        seconds=(whole, sum(max(one[:2]) + one[2] for one in worst)),
        memory_bound=waiting / whole if whole else 0.0,
    )


def _seconds(layer: Layer, board: Board, given: Assumptions) -> tuple[float, float, float]:
    """Return the time of a layer's arithmetic, of its memory traffic, and of its launch."""
    moved = layer.least if given.fuses else layer.most
    if not moved and not layer.macs:
        return 0.0, 0.0, 0.0
    rate = board.rates[_unit(layer, given)] * given.arithmetic
    return layer.macs / rate, moved / (board.bandwidth * given.bandwidth), given.launch


def _unit(layer: Layer, given: Assumptions) -> str:
    if not layer.tensor_cores:
        return "cores"
    if layer.precision == "fp32":
        return "tf32" if given.tf32 else "cores"
    return layer.precision
