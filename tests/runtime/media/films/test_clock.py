"""Frames follow one another in time, also where a film's own clock does not."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from segpp.runtime.media.films.clock import FrameClock
from segpp.runtime.media.films.cut import Cut
from segpp.runtime.media.items import Frame
from segpp.runtime.media.video import frames
from tests.runtime.media.films.make_films import make


def times_of(*ticks: int | None) -> list[float]:
    clock = FrameClock(SimpleNamespace(format=SimpleNamespace(name="mpegts")), 10)
    tenth = Fraction(1, 10)
    return [clock.time(SimpleNamespace(pts=t, dts=None, time_base=tenth)) for t in ticks]


def times_in(path: Path, cut: Cut = Cut()) -> list[float | None]:  # noqa: B008 - frozen
    return [one.time for one in frames(path, cut) if isinstance(one, Frame)]


def test_a_clock_that_begins_anew_goes_on() -> None:
    assert times_of(5, 6, 0, 1, 3, 0) == pytest.approx([0.5, 0.6, 0.7, 0.8, 1.0, 1.1])


def test_a_clock_that_leaps_further_than_an_mp4_can_tell_goes_on() -> None:
    far = 2**31
    assert times_of(5, 6, 7 + far, 9 + far) == pytest.approx([0.5, 0.6, 0.7, 0.9])
    assert times_of(5, 6, 7 + far, 8) == pytest.approx([0.5, 0.6, 0.7, 0.8])
    assert times_of(5, far)[-1] == pytest.approx(far / 10)


def test_one_wrong_time_shifts_none_that_are_right() -> None:
    assert times_of(5, 6, 0, 8, 9) == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9])


def test_frames_of_one_time_keep_it() -> None:
    assert times_of(1, 1, 2, 2) == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_recordings_behind_one_another_are_one_film(tmp_path: Path) -> None:
    content = make(tmp_path / "one.ts").read_bytes()
    (tmp_path / "a.ts").write_bytes(content * 3)

    assert times_in(tmp_path / "a.ts") == pytest.approx([number / 25 for number in range(36)])


@pytest.mark.parametrize(
    ("cut", "first", "count"),
    [
        # In the second recording, and in the first, both as long as the whole film has them.
        (Cut(start=0.6, duration=0.2), 0.6, 5),
        (Cut(duration=0.6), 0.0, 15),
    ],
)
def test_a_part_counts_through_all_of_them(
    cut: Cut, first: float, count: int, tmp_path: Path
) -> None:
    content = make(tmp_path / "one.ts").read_bytes()
    (tmp_path / "a.ts").write_bytes(content * 3)

    times = times_in(tmp_path / "a.ts", cut)

    assert times == pytest.approx([first + number / 25 for number in range(count)])
