"""Pictures and films in one run: folders of their own, and nobody ends the others."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import ImageError
from segpp.runtime.media.films.cut import Cut
from segpp.runtime.media.items import ImageItem, ImageSource
from segpp.runtime.media.sources import find_source, find_sources
from tests.runtime.media.films.make_films import CONTAINERS, Film, make

SHORT = Film(times=(0.0, 0.04))


def picture(path: Path) -> Path:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    return path


def outcomes(source: ImageSource) -> dict[str, str]:
    """Return what comes of every item: nothing, or its error."""
    return {item.name: problem(item) for item in source.items()}


def problem(item: ImageItem) -> str:
    try:
        item.load()
    except ImageError as failure:
        return failure.problem
    return ""


def test_a_folder_of_pictures_and_films_gives_each_film_a_folder(tmp_path: Path) -> None:
    make(tmp_path / "b.mkv", SHORT)
    make(tmp_path / "c.mp4", SHORT).rename(tmp_path / "c.dat")
    picture(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("no film")

    source = find_source(str(tmp_path))

    assert (source.kind, source.count, source.has_films) == ("images", None, True)
    assert list(source.known_names) == ["a"]
    assert list(outcomes(source)) == [
        "a",
        "b/frame-000001",
        "b/frame-000002",
        "c/frame-000001",
        "c/frame-000002",
    ]


@pytest.mark.parametrize("ending", CONTAINERS)
def test_a_damaged_film_is_one_sentence_and_the_others_are_done(
    ending: str, tmp_path: Path
) -> None:
    path = make(tmp_path / f"b.{ending}", CONTAINERS[ending])
    path.write_bytes(b"\xff" * 64 + bytes(path.stat().st_size))
    make(tmp_path / "a.mp4", SHORT)
    make(tmp_path / "c.mp4", SHORT)

    found = outcomes(find_source(str(tmp_path)))

    good = [name for name, said in found.items() if not said]
    assert good == [f"{name}/frame-00000{number}" for name in "ac" for number in (1, 2)]
    assert ["b." in said for said in found.values() if said] in ([True], [])


def test_one_bad_name_does_not_end_the_others(tmp_path: Path) -> None:
    names = ["none.mp4", "a.mp4", "none/%d.png", "x*.png", "c.png"]
    make(tmp_path / "a.mp4", SHORT)
    picture(tmp_path / "c.png")

    found = outcomes(find_sources([str(tmp_path / name) for name in names]))

    assert [said.partition(str(tmp_path))[0] for said in found.values()] == [
        "video ",
        "",
        "",
        "no file matches ",
        "no file matches ",
        "",
    ]


def test_a_part_is_that_of_every_film(tmp_path: Path) -> None:
    texts = [str(make(tmp_path / name, SHORT)) for name in ("a.mp4", "b.mp4")]

    found = outcomes(find_sources(texts, cut=Cut(frames=1)))

    assert list(found) == ["a/frame-000001", "b/frame-000001"]


def test_a_film_that_is_named_twice_is_taken_once(tmp_path: Path) -> None:
    make(tmp_path / "a.mp4", SHORT)

    found = outcomes(find_sources([str(tmp_path / "a.mp4"), str(tmp_path)]))

    assert list(found) == ["a/frame-000001", "a/frame-000002"]
