"""A film that is written has the pixels' shape, the colors and the times of the one it is of."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from segpp.runtime.media.films.film_writer import VideoWriter
from segpp.runtime.media.films.look import FilmLook, look_of
from segpp.runtime.media.items import Frame
from segpp.runtime.media.video import frames
from tests.runtime.media.films.make_films import Film, Seen, look_at, make, turn

# Matrix, range, primaries, transfer: HDTV, HDTV of all 256 values, PAL, wide colors.
COLORS = [(1, 1, 1, 1), (1, 2, 1, 1), (5, 1, 5, 6), (6, 1, 6, 6), (9, 1, 9, 14)]
TICK = Fraction(1, 1_000_000)


def copy(path: Path) -> Seen:
    """Return what is in a film of a film's own frames."""
    out = path.with_name("out.mp4")
    with VideoWriter(out, 25, look_of(path), sound=path) as video:
        for one in frames(path):
            assert isinstance(one, Frame)
            video.write(one.pixels, one.time)
    return look_at(out)


@pytest.mark.parametrize("colors", COLORS, ids=str)
def test_colors_are_tagged_and_stay_what_they_were(
    colors: tuple[int, int, int, int], tmp_path: Path
) -> None:
    path = make(tmp_path / "a.mp4", Film(colors=colors))

    seen = copy(path)

    assert seen.colors == colors
    # Twice lossy and halved planes, away from the edges of the thirds; BT.601 for BT.709 would be
    # 20 or more off.
    middle = (slice(16, 32), [10, 32, 54])
    assert np.abs(seen.first[middle].astype(int) - look_at(path).first[middle]).max() <= 8


def test_a_film_that_does_not_say_its_colors_becomes_one_that_does(tmp_path: Path) -> None:
    seen = copy(make(tmp_path / "a.mp4"))

    assert seen.colors == (1, 1, 1, 1)
    assert seen.first[24, 10].tolist() == pytest.approx([255, 0, 0], abs=12)


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(8, 9)], ids=str)
def test_the_shape_of_the_pixels_is_kept(aspect: Fraction, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Film(aspect=aspect))

    assert copy(path).aspect == aspect


@pytest.mark.parametrize(
    ("matrix", "aspect"), [((0, 1, -1, 0), Fraction(3, 4)), ((-1, 0, 0, -1), Fraction(4, 3))]
)
def test_pixels_that_are_turned_are_as_high_as_they_were_wide(
    matrix: tuple[int, int, int, int], aspect: Fraction, tmp_path: Path
) -> None:
    path = turn(make(tmp_path / "a.mp4", Film(aspect=Fraction(4, 3))), matrix)

    seen = copy(path)

    assert seen.aspect == aspect
    assert seen.size == ((64, 48) if matrix[0] == 0 else (48, 64))


@pytest.mark.parametrize(
    ("ending", "tick"),
    [("mp4", TICK), ("mkv", Fraction(1, 1000)), ("mov", Fraction(1, 90_000)), ("nut", TICK)],
)
def test_uneven_times_are_equal_to_a_microsecond(
    ending: str, tick: Fraction, tmp_path: Path
) -> None:
    # A pause of three seconds, a time lapse of one frame in a quarter of an hour.
    times = [0.0, 0.033333, 0.066667, 0.1, 3.123457, 3.2, 903.2, 1803.200001]
    path = make(tmp_path / f"a.{ending}", Film(times=times, tick=tick))

    found = look_at(path).times

    assert copy(path).times == pytest.approx([t - found[0] for t in found], abs=1e-6)


def test_a_film_without_a_look_is_plain() -> None:
    assert FilmLook().aspect == 1
    assert FilmLook().clock is None
