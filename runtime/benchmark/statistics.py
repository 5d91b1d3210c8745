"""What a series of times amounts to. Nothing is clipped: a slow call is a call that happened.

A percentile is the nearest rank: the smallest sample that at least p percent of all samples do
not exceed. It is always a time that was measured, and with few samples it errs to the slow side.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, comb
from statistics import fmean, median, stdev

from segpp.errors import InputError

__all__ = [
    "Ratio",
    "Summary",
    "check_percentiles",
    "parse_percentiles",
    "percentile",
    "ratio",
    "samples_for",
    "supported_percentiles",
]

# What is told of a series that is long enough.
_USUAL = (50.0, 90.0, 95.0, 99.0)

_SURPRISE = 0.01  # how improbable an outcome has to be
_LEAST = 0.01  # percent; beyond it a percentile takes more samples than anybody measures


@dataclass(frozen=True)
class Summary:
    """One series, in the unit of its samples.

    Args:
        count: How many samples.
        mean: Of all samples.
        deviation: Standard deviation of the samples, 0 for a single one.
        minimum: The smallest sample.
        maximum: The largest sample.
        percentiles: By percent.
    """

    count: int
    mean: float
    deviation: float
    minimum: float
    maximum: float
    percentiles: dict[float, float]

    @property
    def variation(self) -> float:
        """Deviation relative to the mean (CV)."""
        return self.deviation / self.mean if self.mean else 0.0

    @classmethod
    def of(cls, samples: Sequence[float], percents: Iterable[float]) -> "Summary":
        """Return the summary of at least one sample."""
        return cls(
            count=len(samples),
            mean=fmean(samples),
            deviation=stdev(samples) if len(samples) > 1 else 0.0,
            minimum=min(samples),
            maximum=max(samples),
            percentiles={percent: percentile(samples, percent) for percent in percents},
        )


@dataclass(frozen=True)
class Ratio:
    """How many times as long one took as another, pair by pair of neighbouring calls."""

    median: float
    lower_quartile: float
    upper_quartile: float
    minimum: float
    maximum: float


def percentile(samples: Sequence[float], percent: float) -> float:
    """Return the nearest rank: one of the samples.

    Args:
        samples: At least one, in any order.
        percent: Above 0, at most 100.
    """
    # numpy.percentile(method="inverted_cdf") means the same and rounds percent / 100 first: of
    # 1000 samples its 99.9 % is the last, and not the last but one.
    rank = ceil(percent * len(samples) / 100)
    return sorted(samples)[max(rank, 1) - 1]


def ratio(longer: Sequence[float], shorter: Sequence[float]) -> Ratio:
    """Return what ``longer[i] / shorter[i]`` is like; above 1 the second is the faster one.

    Of pairs and not of medians: what slows the machine down slows both calls of a pair.

    Args:
        longer: Times, round by round.
        shorter: Times of another network in the same rounds.
    """
    pairs = [a / b for a, b in zip(longer, shorter, strict=True)]
    quartiles = percentile(pairs, 25), percentile(pairs, 75)
    return Ratio(median(pairs), *quartiles, min(pairs), max(pairs))


def samples_for(percent: float) -> int:
    """Return how many samples a percentile needs to be more than an estimate.

    So many that at most one of them beyond the true percentile would be a surprise (1 %): 64 for
    p90, 662 for p99, as MLPerf asks for. Below the median the other side counts.

    Source: MLPerf Inference Rules, appendix on the early stopping criterion.
    """
    beyond = min(percent, 100 - percent) / 100
    return next(n for n in count(2) if _at_most_one(n, beyond) <= _SURPRISE)


def supported_percentiles(samples: int) -> tuple[float, ...]:
    """Return those of 50, 90, 95 and 99 that so many samples tell; of few the median alone."""
    return tuple(p for p in _USUAL if samples >= samples_for(p)) or _USUAL[:1]


def _at_most_one(samples: int, chance: float) -> float:
    return sum(
        comb(samples, hits) * chance**hits * (1 - chance) ** (samples - hits) for hits in (0, 1)
    )


def parse_percentiles(text: str) -> tuple[float, ...]:
    """Return the numbers of a list as ``50,90,99.9``, sorted.

    Raises:
        InputError: Something in it is no number, or not between 0 and 100.
    """
    try:
        percents = [float(part) for part in text.split(",")]
    except ValueError as failure:
        raise InputError(f"`percentiles` {text!r:.80} is no list of numbers") from failure
    return check_percentiles(percents)


def check_percentiles(percents: Iterable[float]) -> tuple[float, ...]:
    """Return the percentiles sorted, each once.

    Raises:
        InputError: One is not between 0 and 100, or closer to one of them than can be measured.
    """
    different = sorted(set(percents))
    for percent in different:
        # Of not-a-number neither comparison holds.
        if not _LEAST <= percent <= 100 - _LEAST:
            allowed = f"allowed: {_LEAST} to {100 - _LEAST}"
            raise InputError(f"`percentiles` has {percent:g}", allowed)
    return tuple(different)
