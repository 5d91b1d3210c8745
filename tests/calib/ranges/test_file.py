"""The file of ranges: what is written is read, and what is no such file is told in a sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segpp.calib.ranges.file import Ranges, RangesOf, difference, read_ranges, write_ranges
from segpp.calib.ranges.statistics import TensorStatistics
from segpp.errors import InputError

OF = RangesOf("a" * 64, {"name": "image", "shape": [1, 3, 8, 8]}, ("b" * 64, "c" * 64), 256)
ROWS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.just(3)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def ranges_of(rows: np.ndarray) -> Ranges:
    known = TensorStatistics.empty(rows.shape[1])
    known.add(rows.min(0), rows.max(0), rows.mean(0, np.float64), rows, 1)
    return Ranges(OF, {"x/ä": known}, 1, ("1.png", "2.png"))


def written(path: Path) -> Path:
    write_ranges(path, ranges_of(np.float32([[1, -2, 3], [0.1, 0, -7]])), "0.1")
    return path


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_what_is_written_is_read_bit_by_bit(tmp_path: Path, rows: np.ndarray) -> None:
    ranges = ranges_of(rows)
    path = tmp_path / "a.json"

    write_ranges(path, ranges, "0.1")
    found = read_ranges(path)

    assert (found.of, found.done, found.names, found.complete) == (OF, 1, ranges.names, False)
    [known], [expected] = found.tensors.values(), ranges.tensors.values()
    for what in ("low", "high", "mean"):
        assert getattr(known, what).tobytes() == getattr(expected, what).tobytes()
    assert known.histogram.limit == expected.histogram.limit
    assert np.array_equal(known.histogram.counts, expected.histogram.counts)


def test_nothing_of_the_machine_is_in_it(tmp_path: Path) -> None:
    assert str(tmp_path) not in written(tmp_path / "a.json").read_text()


Change = Callable[[dict[str, Any]], object]


def tensor(**changes: Any) -> Change:
    return lambda value: value["tensors"]["x/ä"].update(changes)


DAMAGED: dict[str, Change] = {
    "negative-counts": tensor(counts=[3, -1]),
    "counts-that-are-no-numbers": tensor(counts=["3"]),
    "counts-beyond-the-histogram": tensor(first=8191, counts=[1, 1]),
    "counts-too-large": tensor(counts=[2**70]),
    "a-first-bin-below-0": tensor(first=-1),
    "more-bins-than-there-are": tensor(first=0, counts=[1] * 9000),
    "not-a-number": tensor(low=[float("nan")] * 3),
    "infinite": tensor(high=[float("inf")] * 3),
    "an-infinite-mean": tensor(mean=[float("inf")] * 3),
    "an-infinite-limit": tensor(limit=float("inf")),
    "beyond-float32": tensor(high=[1e300] * 3),
    "a-limit-of-0": tensor(limit=0.0),
    "a-limit-that-is-no-power-of-two": tensor(limit=3.0),
    "a-limit-beyond-twice-the-extremes": tensor(limit=2.0**1000),
    "a-mean-beyond-float32": tensor(mean=[1e300] * 3),
    "other-pictures-than-are-done": tensor(pictures=2),
    "low-above-high": tensor(low=[9.0] * 3),
    "no-channels": tensor(low=[], high=[], mean=[]),
    "channels-that-differ": tensor(mean=[0.0]),
    "no-pictures": tensor(pictures=0),
    "a-list-of-tensors": lambda value: value.update(tensors=[]),
    "an-unknown-key": lambda value: value.update(more=1),
    "a-missing-key": lambda value: value.pop("rows"),
    "pictures-without-hash": lambda value: value.update(pictures=[{"name": "a"}]),
    "more-done-than-there-are": lambda value: value.update(done=3),
    "less-than-nothing-done": lambda value: value.update(done=-1),
    "another-schema": lambda value: value.update(schema=2),
    "no-schema": lambda value: value.pop("schema"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_numbers_that_contradict_each_other_are_an_error(tmp_path: Path, case: str) -> None:
    path = written(tmp_path / "a.json")
    value = json.loads(path.read_text())
    DAMAGED[case](value)
    path.write_text(json.dumps(value))

    with pytest.raises(InputError, match=r"damaged|is no file of ranges") as refusal:
        read_ranges(path)

    assert refusal.value.exit_code == 2
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1}', b"1" * 5000],
    ids=["empty", "open", "list", "null", "not-utf-8", "deep", "bare", "long-number"],
)
def test_a_file_of_something_else_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)

    with pytest.raises(InputError) as refusal:
        read_ranges(path)

    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_ends_early_is_an_error(tmp_path: Path, share: float) -> None:
    path = written(tmp_path / "a.json")
    content = path.read_bytes().rstrip()
    path.write_bytes(content[: int(share * len(content))])

    with pytest.raises(InputError, match="damaged"):
        read_ranges(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(InputError, match="too many for a file of ranges"):
        read_ranges(path)


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_ranges(tmp_path / "a.json")


def test_the_same_ranges_do_not_differ() -> None:
    assert difference(OF, OF) is None
    other = RangesOf(OF.model, OF.input, OF.pictures, 64)
    assert difference(OF, other) == "256 places a picture were sampled instead of 64"
