"""The order of the calls: one of each network, again and again, so that all meet the same weather.

A clock that slows down, a neighbour that wakes up: both fall on every network alike, and what a
pair of neighbouring calls differs by is the networks' own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["STAGES", "Effort", "Lap", "race"]

STAGES = ("decode", "pre", "engine", "post", "total")


@dataclass(frozen=True)
class Lap:
    """The times of one call, in milliseconds.

    Args:
        decode: From the image's file to pixels.
        pre: From pixels to the input tensor.
        engine: In the engine, from tensor to tensor.
        post: From the output to labels at the image's size.
        total: From the file to the labels.
    """

    decode: float
    pre: float
    engine: float
    post: float
    total: float


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Args:
        warmup: Rounds that do not count.
        rounds: At least so many that do.
        seconds: And at least so long.
    """

    warmup: int
    rounds: int
    seconds: float


def race(
    runners: Sequence[Callable[[], Lap]],
    effort: Effort,
    *,
    clock: Callable[[], float],
    after_each: Callable[[], object] = lambda: None,
) -> list[list[Lap]]:
    """Call the runners in turn and return the laps of each.

    Args:
        clock: Seconds, as ``time.perf_counter``.
        after_each: Called after every round that counts.
    """
    for _ in range(effort.warmup):
        for run in runners:
            run()
    laps: list[list[Lap]] = [[] for _ in runners]
    start = clock()
    while len(laps[0]) < effort.rounds or clock() - start < effort.seconds:
        for run, series in zip(runners, laps, strict=True):
            series.append(run())
        after_each()
    return laps
