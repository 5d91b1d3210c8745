"""A film is one by what is in it, and by its name where that tells nothing."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.runtime.media.films.kinds import is_film, kind_of_content
from tests.runtime.media.films.make_films import CONTAINERS, make

PICTURES = ("bmp", "gif", "jp2", "jpg", "png", "ppm", "tif", "webp")


@pytest.mark.parametrize(
    ("ending", "name"),
    [
        (ending, name)
        for ending in CONTAINERS
        for name in ("film", "film.png", "film.dat")
        # Under the name of a picture, JPEGs in a row are the first of them.
        if (ending, name) != ("mjpeg", "film.png")
    ],
)
def test_a_film_is_one_under_any_name(ending: str, name: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{ending}", CONTAINERS[ending])

    assert is_film(path.rename(tmp_path / name))


@pytest.mark.parametrize(
    ("ending", "name"),
    [
        (ending, name)
        for ending in PICTURES
        for name in ("a", "a.mp4", "a.dat")
        # One JPEG is also a film of one frame, and read the same.
        if (ending, name) != ("jpg", "a.mp4")
    ],
)
def test_a_picture_is_none_under_any_name(ending: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)

    assert kind_of_content(path) == "picture"
    assert not is_film(path.rename(tmp_path / name))


@pytest.mark.parametrize(("name", "expected"), [("a.mts", True), ("a.MP4", True), ("a.txt", False)])
def test_where_the_content_tells_nothing_the_name_does(
    name: str, tmp_path: Path, *, expected: bool
) -> None:
    assert is_film(tmp_path / name) is expected
    (tmp_path / name).write_bytes(bytes(5000))

    assert is_film(tmp_path / name) is expected


def test_an_animation_is_a_film_where_it_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a.gif", CONTAINERS["gif"])
    assert is_film(path)

    monkeypatch.setitem(sys.modules, "av", None)

    assert not is_film(path)
