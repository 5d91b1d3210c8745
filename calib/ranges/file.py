"""``model.ranges.json``: what was collected, of which network, on which pictures.

The file is written again every few seconds while pictures are run, so that a run that was stopped
goes on where it was; ``complete`` tells whether it came to its end. Numbers are those of the
network alone, before anything was chosen: every method and every dialect is computed from them.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segpp.calib.ranges.histogram import BINS, Histogram
from segpp.calib.ranges.statistics import TensorStatistics
from segpp.errors import InputError, ManifestError
from segpp.manifest.dataclass_json import decode
from segpp.utils.files import atomic_write, check_file

__all__ = ["Ranges", "RangesOf", "read_ranges", "write_ranges"]

_SCHEMA = 1
# Of a B5 the file has 20 MB.
_MAX_BYTES = 256 << 20
_MAX_CHANNELS = 1 << 20
# The sum of a histogram still fits its type.
_MOST_COUNTED = 1 << 48


@dataclass(frozen=True)
class RangesOf:
    """What ranges belong to; those of anything else are not used.

    Attributes:
        model: SHA-256 of the float file.
        input: How pictures became its input, as in the manifest.
        pictures: SHA-256 of every picture, in order.
        rows: Places that were sampled in each tensor of each picture.
    """

    model: str
    input: dict[str, Any]
    pictures: tuple[str, ...]
    rows: int


@dataclass
class Ranges:
    """Statistics of every observed tensor, by name.

    Attributes:
        of: What they belong to.
        tensors: By the name of the tensor.
        done: How many pictures they are of so far.
        names: The pictures' file names, for people.
    """

    of: RangesOf
    tensors: dict[str, TensorStatistics] = field(default_factory=dict)
    done: int = 0
    names: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every picture is in them."""
        return self.done == len(self.of.pictures)


@dataclass(frozen=True)
class _StoredTensor:
    """A tensor in the file; of the histogram, the bins from the first to the last in use."""

    pictures: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    limit: float
    first: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class _StoredRanges:
    segpp: str
    schema: int
    model: str
    input: dict[str, Any]
    rows: int
    done: int
    complete: bool
    pictures: tuple[dict[str, str], ...]
    tensors: dict[str, _StoredTensor]


def write_ranges(path: Path, ranges: Ranges, version: str) -> None:
    """Write ranges, whole or not at all.

    Args:
        version: Of segpp.
    """
    stored = _StoredRanges(
        segpp=version,
        schema=_SCHEMA,
        model=ranges.of.model,
        input=ranges.of.input,
        rows=ranges.of.rows,
        done=ranges.done,
        complete=ranges.complete,
        pictures=tuple(
            {"name": name, "sha256": digest}
            for name, digest in zip(ranges.names, ranges.of.pictures, strict=True)
        ),
        tensors={name: _stored(one) for name, one in ranges.tensors.items()},
    )
    text = json.dumps(asdict(stored), ensure_ascii=True, allow_nan=False)
    with atomic_write(path) as (part,):
        part.write_text(text + "\n", encoding="utf-8")


def read_ranges(path: Path) -> Ranges:
    """Read ranges.

    Raises:
        InputError: The file is missing, damaged, or of another schema.
    """
    check_file(path, kind="ranges")
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path} has {path.stat().st_size:,} bytes, too many for a file of ranges")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict) or value.get("schema") != _SCHEMA:
            raise InputError(f"{path} is no file of ranges that this segpp reads")
        stored = decode(_StoredRanges, value, "ranges")
        tensors = {n: _statistics(n, one, stored.done) for n, one in stored.tensors.items()}
        pictures = tuple(str(picture["sha256"]) for picture in stored.pictures)
        names = tuple(str(picture["name"]) for picture in stored.pictures)
    except (ValueError, KeyError, OverflowError, RecursionError, ManifestError) as failure:
        raise InputError(f"the ranges {path} are damaged", str(failure)) from failure
    of = RangesOf(stored.model, stored.input, pictures, stored.rows)
    if not 0 <= stored.done <= len(pictures):
        raise InputError(
            f"the ranges {path} are damaged", f"{stored.done} of {len(pictures)} pictures are done"
        )
    return Ranges(of, tensors, stored.done, names)


def difference(found: RangesOf, wanted: RangesOf) -> str | None:
    """Return in a few words why ranges belong to something else, or None."""
    if found.model != wanted.model:
        return f"they are of another network, {found.model[:16]}… instead of {wanted.model[:16]}…"
    if found.input != wanted.input:
        return "pictures were prepared in another way"
    if found.rows != wanted.rows:
        return f"{found.rows} places a picture were sampled instead of {wanted.rows}"
    if found.pictures != wanted.pictures:
        missing = len(set(wanted.pictures) - set(found.pictures))
        extra = len(set(found.pictures) - set(wanted.pictures))
        return f"they are of other pictures: {missing} are new, {extra} are gone"
    return None


def _stored(one: TensorStatistics) -> _StoredTensor:
    counts = one.histogram.counts
    used = np.flatnonzero(counts)
    first, end = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    return _StoredTensor(
        pictures=one.pictures,
        low=_floats(one.low),
        high=_floats(one.high),
        mean=_floats(one.mean),
        limit=one.histogram.limit,
        first=first,
        counts=tuple(counts[first:end].tolist()),
    )


def _floats(values: Sequence[float] | np.ndarray[Any, Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _statistics(name: str, stored: _StoredTensor, done: int) -> TensorStatistics:
    if not (_are_extremes(stored) and _are_counts(stored) and stored.pictures == done):
        raise ValueError(f"the numbers of {name!r:.80} contradict each other")
    counts = np.zeros(BINS, np.int64)
    counts[stored.first : stored.first + len(stored.counts)] = stored.counts
    return TensorStatistics(
        low=np.array(stored.low, np.float32),
        high=np.array(stored.high, np.float32),
        mean=np.array(stored.mean),
        histogram=Histogram(stored.limit, counts),
        pictures=stored.pictures,
    )


def _are_extremes(stored: _StoredTensor) -> bool:
    channels, largest = len(stored.low), float(np.finfo(np.float32).max)
    return (
        0 < channels <= _MAX_CHANNELS
        and len(stored.high) == len(stored.mean) == channels
        and max(map(abs, stored.mean)) <= largest
        and _largest(stored) <= largest
        and stored.pictures >= 1
        and all(low <= high for low, high in zip(stored.low, stored.high, strict=True))
    )


def _largest(stored: _StoredTensor) -> float:
    return max(map(abs, (*stored.low, *stored.high)))


def _are_counts(stored: _StoredTensor) -> bool:
    narrowest = Histogram().limit
    return (
        0 <= stored.first <= stored.first + len(stored.counts) <= BINS
        # The last one that was too narrow held no more than the extremes.
        and narrowest <= stored.limit <= max(narrowest, 2 * _largest(stored))
        # Doubled a whole number of times.
        and float(np.log2(stored.limit / narrowest)).is_integer()
        and all(0 <= count <= _MOST_COUNTED for count in stored.counts)
    )
