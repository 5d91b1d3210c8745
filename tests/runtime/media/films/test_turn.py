"""A film that was filmed sideways, upside down or mirrored is upright."""

from pathlib import Path

import numpy as np
import pytest

from segpp.runtime.media.films.container import open_film
from segpp.runtime.media.films.turn import is_sideways, matrix_of, upright
from tests.runtime.media.films.make_films import Film, make, turn

# The nine-number matrix's a b c d, and what NumPy does to a picture for it.
TURNS = [
    ((1, 0, 0, 1), lambda image: image),
    ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    ((0, -1, 1, 0), np.rot90),
    ((-1, 0, 0, 1), np.fliplr),
    ((1, 0, 0, -1), np.flipud),
    ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    ((0, -1, -1, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
]


@pytest.mark.parametrize(("matrix", "expected"), TURNS, ids=lambda one: str(one)[:16])
def test_frames_are_turned_and_mirrored_as_the_film_says(
    matrix: tuple[int, int, int, int], expected: object, tmp_path: Path
) -> None:
    path = make(tmp_path / "a.mp4", Film(times=(0.0,)))
    with open_film(path) as container:
        plain = upright(next(container.decode(video=0)))

    with open_film(turn(path, matrix)) as container:
        frame = next(container.decode(video=0))

    assert is_sideways(matrix_of(frame)) is (matrix[0] == 0)
    assert (upright(frame, matrix_of(frame)) == expected(plain)).all()  # type: ignore[operator]
