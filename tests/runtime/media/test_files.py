"""Folders with more than pictures in them, and files with more than one."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segpp.errors import ImageError
from segpp.runtime.media.files import as_film, items_of, names_of, pages_in, pictures_in
from segpp.runtime.media.items import ImageSource
from segpp.runtime.media.sources import find_source
from tests.helpers.commands import python_without


def frames(count: int = 3) -> list[Image.Image]:
    """Pictures of few colours, which GIF keeps, each with another square moved."""
    drawn = []
    for number in range(count):
        pixels = np.zeros((12, 16, 3), np.uint8)
        pixels[2:5, 2 * number : 2 * number + 4] = (200, 10 * number, 30)
        drawn.append(Image.fromarray(pixels))
    return drawn


def save_all(path: Path, **options: object) -> Path:
    first, *others = frames()
    first.save(path, save_all=True, append_images=others, **options)
    return path


def test_what_is_no_picture_is_passed_over_with_a_word(tmp_path: Path) -> None:
    frames()[0].save(tmp_path / "a.jpg")
    frames()[0].save(tmp_path / "b.jfif", format="JPEG")
    (tmp_path / "._a.jpg").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    for name in ("notes.txt", "labels.json"):
        (tmp_path / name).write_text("x")

    files, notes = pictures_in(tmp_path)

    assert [path.name for path in files] == ["a.jpg", "b.jfif"]
    assert notes == (
        f"passed over 2 files in {tmp_path} without the ending of a picture (.json, .txt)",
    )


LIST = """
import sys
from pathlib import Path
from segpp.runtime.media.files import pictures_in
files, notes = pictures_in(Path(sys.argv[1]))
print(*(path.name for path in files), *notes, sep="\\n")
"""


def test_a_picture_that_needs_an_absent_package_is_passed_over_by_its_name(tmp_path: Path) -> None:
    frames()[0].save(tmp_path / "a.jpg")
    (tmp_path / "c.heic").write_bytes(b"x")

    done = python_without(["pillow_heif"], LIST, tmp_path)

    said = f"passed over {tmp_path / 'c.heic'}: HEIC needs segpp[heic]"
    assert done.stdout.splitlines() == ["a.jpg", said], done.stderr


def test_a_folder_of_other_things_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "c.heic").write_bytes(b"x")

    done = python_without(["pillow_heif"], LIST, tmp_path)

    assert "holds no images and no videos" in done.stderr
    assert "c.heic: HEIC needs segpp[heic]" in done.stderr


def pages_of(path: Path) -> ImageSource:
    """Return the frames of a file as it is read where there is no PyAV."""
    pages = pages_in([path])
    return ImageSource(
        "images", str(path), lambda: items_of([path], pages), count=sum(pages), files=(path,)
    )


@pytest.mark.parametrize("name", ["x.gif", "x.webp", "x.png"])
def test_every_frame_of_an_animation_is_an_image(tmp_path: Path, name: str) -> None:
    path = save_all(tmp_path / name, **({"lossless": True} if name == "x.webp" else {}))

    items = list(pages_of(path).items())

    assert [item.name for item in items] == ["x-0001", "x-0002", "x-0003"]
    # Backwards too: what is read in order may be asked for in any.
    for item, frame in reversed([*zip(items, frames(), strict=True)]):
        assert (item.load() == np.asarray(frame)).all()


def test_every_page_of_a_stack_is_an_image(tmp_path: Path) -> None:
    pages = np.stack([np.asarray(frame) for frame in frames()])
    tifffile.imwrite(tmp_path / "stack.tif", pages, photometric="rgb")
    frames()[0].save(tmp_path / "one.tif")

    source = find_source(str(tmp_path))

    assert source.count == 4
    assert [item.name for item in source.items()] == [
        "one", "stack-0001", "stack-0002", "stack-0003",
    ]  # fmt: skip
    assert all(
        (item.load() == page).all() for item, page in zip([*source.items()][1:], pages, strict=True)
    )


def test_pages_and_files_of_one_name_are_told(tmp_path: Path) -> None:
    save_all(tmp_path / "x.gif")
    frames()[0].save(tmp_path / "x-0002.png")
    files = sorted(tmp_path.iterdir())

    with pytest.raises(ImageError, match=r"one name\n.*x-0002"):
        list(items_of(files, pages_in(files)))


def test_a_file_that_cannot_be_read_has_one_page(tmp_path: Path) -> None:
    (tmp_path / "x.gif").write_bytes(save_all(tmp_path / "y.gif").read_bytes()[:40])

    os.mkfifo(tmp_path / "pipe.tif")

    files = [tmp_path / name for name in ("x.gif", "none.tif", "pipe.tif")]
    assert pages_in(files) == (1, 1, 1)


def test_names_are_stems_where_these_differ() -> None:
    assert names_of([Path("a/x.png"), Path("b/y.png")]) == ["x", "y"]
    assert names_of([Path("a/x.png"), Path("b/x.png")]) == ["a__x.png", "b__x.png"]


@pytest.mark.parametrize("name", ["x.gif", "x.webp", "x.png"])
def test_an_animation_can_be_a_film(tmp_path: Path, name: str) -> None:
    path = save_all(tmp_path / name, duration=[100, 200, 300])

    film = as_film(pages_of(path))

    assert film is not None
    assert (film.kind, film.count) == ("video", 3)
    assert film.rate == pytest.approx(5)
    assert [item.named.time for item in film.items()] == pytest.approx([0, 0.1, 0.3])
    assert [item.load().shape for item in film.items()] == [(12, 16, 3)] * 3


def test_what_does_not_move_is_no_film(tmp_path: Path) -> None:
    frames()[0].save(tmp_path / "a.gif")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((3, 8, 8), np.uint8), photometric="minisblack")

    assert as_film(find_source(str(tmp_path / "a.gif"))) is None
    assert as_film(find_source(str(tmp_path / "b.tif"))) is None
