"""A film that breaks off says so, and one that is whole does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from segpp.errors import ImageError
from segpp.runtime.media.films.cut import Cut
from segpp.runtime.media.items import Frame
from segpp.runtime.media.video import frames
from tests.runtime.media.films.make_films import CONTAINERS, Film, make

# A pause of three seconds, as of a screen that was recorded.
PAUSE = (0.0, 0.04, 0.08, 3.0, 3.04, 3.08)
LONG = tuple(number / 25 for number in range(100))


def problems(path: Path, cut: Cut = Cut()) -> list[str]:  # noqa: B008 - frozen
    return [str(one) for one in frames(path, cut) if isinstance(one, ImageError)]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
def test_sound_that_is_longer_than_the_pictures_is_no_break(ending: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{ending}", Film(sound="aac", seconds=3.0))

    assert problems(path) == []
    assert len([one for one in frames(path) if isinstance(one, Frame)]) == 12


@pytest.mark.parametrize("ending", ["mp4", "mkv", "flv", "ts"])
def test_a_pause_is_no_break(ending: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{ending}", Film(times=PAUSE))

    assert problems(path) == []


def test_a_clock_that_begins_late_is_no_break(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Film(times=[9.0 + number / 25 for number in range(12)]))

    assert problems(path) == []


def half(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.mark.parametrize("ending", ["mkv", "avi", "flv", "webm"])
def test_half_a_film_is_its_frames_and_one_sentence(ending: str, tmp_path: Path) -> None:
    path = half(
        make(tmp_path / f"a.{ending}", replace(CONTAINERS[ending], times=LONG, size=(240, 320)))
    )

    found = list(frames(path))

    assert 10 <= sum(isinstance(one, Frame) for one in found) < 100
    [said] = [str(one) for one in found if isinstance(one, ImageError)]
    assert "breaks off after" in said
    # An AVI's reader guesses by what is left of the file.
    assert "of about 2.00 s" in said or "of about 4.00 s" in said


def test_a_part_that_ends_before_the_break_is_whole(tmp_path: Path) -> None:
    path = half(make(tmp_path / "a.mkv", Film(times=LONG)))

    assert problems(path, Cut(frames=2)) == []
    assert problems(path, Cut(duration=0.08)) == []


def test_a_part_behind_the_end_is_a_sentence(tmp_path: Path) -> None:
    [said] = problems(make(tmp_path / "a.mp4"), Cut(start=9.0))

    assert "a.mp4 ends before 9 s" in said
