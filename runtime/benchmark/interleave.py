"""The order of the calls: one of each network, again and again, under the same conditions.

A clock that slows down, a neighbour that wakes up: both fall on every network alike, and what a
pair of neighbouring calls differs by is the networks' own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segpp.runtime.backends.base import DeviceTimes

__all__ = [
    "DEVICE_STAGES",
    "STAGES",
    "BenchmarkConfig",
    "Sample",
    "device_series",
    "interleave",
    "series",
]

STAGES = ("decode", "preprocess", "inference", "postprocess", "total")

# Inside of inference, on a GPU: the way there, the network, the way back.
DEVICE_STAGES = ("upload", "engine", "download")


@dataclass(frozen=True)
class Sample:
    """The times of one call, in milliseconds; a field for each of ``STAGES``.

    Args:
        decode_ms: From the image's file to pixels.
        preprocess_ms: From pixels to the input tensor.
        inference_ms: In the backend, from tensor to tensor.
        postprocess_ms: From the output to labels at the image's size.
        total_ms: From the file to the labels.
        device: Of ``inference_ms``, what the GPU took by its own events; None where nothing tells.
    """

    decode_ms: float
    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float
    total_ms: float
    device: DeviceTimes | None = None


@dataclass(frozen=True)
class BenchmarkConfig:
    """How long to measure.

    Args:
        warmup: Rounds that do not count.
        rounds: At least so many that do.
        seconds: And at least so long.
    """

    warmup: int
    rounds: int
    seconds: float


def interleave(
    runners: Sequence[Callable[[], Sample]],
    config: BenchmarkConfig,
    *,
    clock: Callable[[], float],
    after_each: Callable[[], object] = lambda: None,
) -> list[list[Sample]]:
    """Call the runners in turn and return the samples of each.

    Args:
        runners: At least one; each runs its network once.
        config: How long.
        clock: Seconds, as ``time.perf_counter``.
        after_each: Called after every round that counts.

    Returns:
        For each runner its samples, round by round, as many as for any other.
    """
    for _ in range(config.warmup):
        for run in runners:
            run()
    samples: list[list[Sample]] = [[] for _ in runners]
    start = clock()
    while len(samples[0]) < config.rounds or clock() - start < config.seconds:
        for run, own in zip(runners, samples, strict=True):
            own.append(run())
        after_each()
    return samples


def series(samples: Sequence[Sample], stage: str) -> list[float]:
    """Return the milliseconds of one of ``STAGES``, in the order in which they were measured."""
    return [getattr(sample, f"{stage}_ms") for sample in samples]


def device_series(samples: Sequence[Sample], stage: str) -> list[float]:
    """Return the same of one of ``DEVICE_STAGES``; empty where a call was not timed so."""
    times = [sample.device for sample in samples]
    return [] if None in times else [getattr(one, f"{stage}_ms") for one in times]
