"""Pictures found by folder, pattern, list and file: each once, in an order that stays."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.calib.pictures.find import LEAST, Picture, find_pictures, load_picture
from segpp.errors import ImageError, InputError
from segpp.manifest import InputSpec
from segpp.utils.files import sha256_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of just enough pictures, and of what is none."""
    draw = np.random.default_rng(0)
    root = tmp_path / "a"
    (root / "deeper").mkdir(parents=True)
    for number in range(LEAST):
        pixels = draw.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    shutil.copy(root / "0.png", root / "deeper" / "z.png")
    shutil.copy(root / "0.png", root / ".hidden.png")
    (root / "notes.md").write_text("no picture")
    return root


def names(pictures: tuple[Picture, ...]) -> list[str]:
    return [picture.name for picture in pictures]


ALL = [f"{number}.png" for number in range(LEAST)]


def test_a_folder_gives_its_pictures_by_name(folder: Path) -> None:
    found = find_pictures([folder])

    assert names(found) == ALL
    assert all(picture.sha256 == sha256_of(picture.path) for picture in found)


def test_every_way_to_name_them_gives_the_same(folder: Path, tmp_path: Path) -> None:
    # A list is relative to its own folder, and may have empty lines.
    (tmp_path / "list.txt").write_text("\n".join(f" a/{name}\n" for name in reversed(ALL)))
    files = [folder / name for name in reversed(ALL)]
    expected = find_pictures([folder])

    assert find_pictures([f"{folder}/*.png"]) == expected
    assert find_pictures([tmp_path / "list.txt"]) == expected
    assert find_pictures(files) == expected
    assert find_pictures([*files, folder, f"{folder}/?.png"]) == expected


def test_a_copy_does_not_count_twice(folder: Path) -> None:
    shutil.copy(folder / "3.png", folder / "9.png")

    assert names(find_pictures([folder])) == ALL
    (folder / "3.png").unlink()
    assert names(find_pictures([folder])) == [*(name for name in ALL if name != "3.png"), "9.png"]


def test_a_copy_does_not_make_enough(folder: Path) -> None:
    (folder / "0.png").unlink()
    shutil.copy(folder / "1.png", folder / "copy.png")

    with pytest.raises(InputError, match=rf"{LEAST - 1} different picture\(s\) are too few"):
        find_pictures([folder])


@pytest.mark.parametrize("source", ["empty", "*.png", "[x]?.jpg"])
def test_a_source_without_pictures_is_refused(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(ImageError, match="names no pictures"):
        find_pictures([str(tmp_path / source)])


@pytest.mark.parametrize("source", ["missing.png", "missing.txt", "missing"])
def test_what_is_missing_is_told(tmp_path: Path, source: str) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        find_pictures([tmp_path / source])


def test_a_name_with_signs_of_a_pattern_is_a_name_where_there_is_such_a_file(folder: Path) -> None:
    (folder / "0.png").rename(folder / "[0].png")

    assert names(find_pictures([folder / "[0].png", folder])) == [*ALL[1:], "[0].png"]


def taking(channels: int) -> InputSpec:
    shape = (1, channels, 8, 8)
    zeros, ones = (0.0,) * channels, (1.0,) * channels
    return InputSpec("image", shape, "float32", "NCHW", "RGB", zeros, ones)


def test_a_picture_of_16_bits_is_as_bright_as_the_manifest_says(tmp_path: Path) -> None:
    pixels = np.array([[0, 4095], [2048, 8]], np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    found = load_picture(
        Picture(tmp_path / "a.png", ""), replace(taking(3), white="4095", bands=(1,))
    )

    assert found[:, :, 2].tolist() == [[0, 255], [128, 0]]


@pytest.mark.parametrize(("channels", "name"), [(3, "a.png"), (4, "a.npy"), (1, "a.npy")])
def test_a_picture_is_read_as_the_network_takes_it(
    tmp_path: Path, channels: int, name: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 7, channels)).astype(np.uint8)
    path = tmp_path / name
    Image.fromarray(pixels).save(path) if name.endswith("png") else np.save(path, pixels)

    assert np.array_equal(load_picture(Picture(path, ""), taking(channels)), pixels)


def test_a_picture_of_one_color_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cover.png"
    Image.new("RGB", (9, 9), (1, 2, 3)).save(path)

    with pytest.raises(ImageError, match=r"has one colour, \[1, 2, 3\]"):
        load_picture(Picture(path, ""), taking(3))
