"""Pairing and reading labelled images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import ImageError, InputError
from segpp.images.preprocess import IMAGE_SUFFIXES
from segpp.runtime.evaluation.dataset import (
    LabelRules,
    find_labels,
    find_pairs,
    load_labels,
    load_pair,
)
from tests.helpers.datasets import dataset, save

HALVES = np.array([[0, 0, 1, 1]], np.uint8)


@pytest.mark.parametrize(("alone", "says"), [("images", "no labels in"), ("labels", "no image in")])
def test_a_file_without_partner_is_an_error(tmp_path: Path, alone: str, says: str) -> None:
    images, labels = dataset(tmp_path, [HALVES])
    save(tmp_path / alone / "extra.png", HALVES)

    with pytest.raises(ImageError, match=f"1 of 2 files have {says} .*\n.*extra.png"):
        find_pairs(images, labels)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"the folder of images .*nowhere does not exist"):
        find_pairs(tmp_path / "nowhere", tmp_path)


def test_cityscapes_names_pair_by_what_they_share(tmp_path: Path) -> None:
    images, labels = tmp_path / "leftImg8bit", tmp_path / "gtFine"
    save(images / "ulm" / "ulm_0_leftImg8bit.png", np.zeros((1, 1, 3), np.uint8))
    for kind in ("labelTrainIds", "labelIds", "color"):
        save(labels / "ulm" / f"ulm_0_gtFine_{kind}.png", np.zeros((1, 1), np.uint8))

    pairs = find_pairs(
        images, labels, image_suffix="_leftImg8bit", label_suffix="_gtFine_labelTrainIds"
    )

    assert [pair.labels.name for pair in pairs] == ["ulm_0_gtFine_labelTrainIds.png"]


def in_palette(path: Path, labels: NDArray[np.uint8]) -> None:
    image = Image.fromarray(labels).convert("L")
    image.putpalette([200, 100, 50, 10, 20, 30, 0, 0, 0, 9, 9, 9])
    image.save(path)


def in_few_bits(bits: int) -> Callable[[Path, NDArray[np.uint8]], None]:
    """Write grey PNGs of 2 or 4 bits, as optimisers do; Pillow cannot."""

    def write(path: Path, labels: NDArray[np.uint8]) -> None:
        from struct import pack  # noqa: PLC0415 - for this one format
        from zlib import compress, crc32  # noqa: PLC0415

        def chunk(kind: bytes, data: bytes) -> bytes:
            return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data))

        height, width = labels.shape
        rows = b""
        for row in labels:
            digits = "".join(f"{value:0{bits}b}" for value in row)
            digits += "0" * (-len(digits) % 8)
            rows += b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big")
        head = chunk(b"IHDR", pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
        body = chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)

    return write


def in_16_bits(path: Path, labels: NDArray[np.uint8]) -> None:
    Image.fromarray(labels.astype(np.uint16)).save(path)


def in_8_bits(path: Path, labels: NDArray[np.uint8]) -> None:
    Image.fromarray(labels).save(path)


@pytest.mark.parametrize(
    "write",
    [in_8_bits, in_16_bits, in_palette, in_few_bits(2), in_few_bits(4)],
    ids=["grey", "16 bits", "palette", "2 bits", "4 bits"],
)
def test_class_numbers_survive_every_way_of_writing_them(
    tmp_path: Path, write: Callable[[Path, NDArray[np.uint8]], None]
) -> None:
    labels = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)
    write(tmp_path / "x.png", labels)

    assert np.array_equal(load_labels(tmp_path / "x.png"), labels)


PALETTE = ((128, 64, 128), (0, 0, 142), (70, 130, 180))


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_are_the_classes_that_the_palette_gives_them(tmp_path: Path, channels: int) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (5, 7))
    colors = np.concatenate([np.array(PALETTE)[labels], np.full((5, 7, 1), 255)], axis=2)
    path = save(tmp_path / "x.png", colors[..., :channels].astype(np.uint8))

    # Neither counts from 1: colours say themselves which class they are.
    for rules in (LabelRules(PALETTE), LabelRules(PALETTE, offset=-1)):
        assert np.array_equal(load_labels(path, rules), labels)


def test_black_is_no_class_unless_the_palette_has_it(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", np.array([[PALETTE[1], (0, 0, 0)]], np.uint8))

    assert load_labels(path, LabelRules(PALETTE)).tolist() == [[1, 255]]
    assert load_labels(path, LabelRules((*PALETTE, (0, 0, 0)))).tolist() == [[1, 3]]


def test_an_unknown_colour_is_named_with_its_place(tmp_path: Path) -> None:
    colors = np.full((4, 6, 3), PALETTE[0], np.uint8)
    colors[2, 3:] = 128, 64, 129
    path = save(tmp_path / "x.png", colors)

    with pytest.raises(InputError, match=r"colour 128 64 129 .*row 2, column 3") as caught:
        load_labels(path, LabelRules(PALETTE))

    # Not a damaged file, which would merely be skipped.
    assert not isinstance(caught.value, ImageError)


@pytest.mark.parametrize(
    ("palette", "says"), [((), "no palette"), ((PALETTE[0],) * 2, "two classes")]
)
def test_colours_need_a_palette_that_tells_them_apart(
    tmp_path: Path, palette: tuple[tuple[int, int, int], ...], says: str
) -> None:
    path = save(tmp_path / "x.png", np.zeros((2, 2, 3), np.uint8))

    with pytest.raises(InputError, match=says):
        load_labels(path, LabelRules(palette))


def test_an_offset_moves_all_labels_but_255(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", np.array([[1, 2, 12, 255]], np.uint8))

    assert load_labels(path, LabelRules(offset=-1)).tolist() == [[0, 1, 11, 255]]


def test_reducing_the_zero_label_counts_down_and_keeps_255_ignored(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", np.array([[0, 1, 150, 255]], np.uint8))

    assert load_labels(path, LabelRules(reduce_zero_label=True)).tolist() == [[255, 0, 149, 255]]


def test_a_pair_of_real_photographs_is_read(shared: Path) -> None:
    folder = shared / "camvid" / "val"
    pairs = find_pairs(folder / "images", folder / "labels")

    image, labels = load_pair(pairs[0])

    assert len(pairs) == 101
    assert image.shape == (*labels.shape, 3)
    assert set(np.unique(labels).tolist()) <= set(range(12))


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_image_that_can_be_read_can_be_scored(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "images").mkdir()
    image = Image.fromarray(np.full((2, 2), 9, np.uint8))
    image.save(tmp_path / "images" / f"a{suffix}")
    save(tmp_path / "labels" / "a.png", np.zeros((2, 2), np.uint8))

    [pair] = find_pairs(tmp_path / "images", tmp_path / "labels")
    pixels, labels = load_pair(pair)

    assert pixels.shape == (2, 2, 3)
    assert labels.shape == (2, 2)


def test_labels_are_found_for_images_from_anywhere(tmp_path: Path) -> None:
    blank = np.zeros((2, 2), np.uint8)
    for name in ("a.png", "town/b.png", "town/of-nobody.png"):
        save(tmp_path / "labels" / name, blank)
    images = [Path("here", "a.jpg"), Path("there", "b.npy")]

    found = find_labels(images, tmp_path / "labels")

    assert found == {
        images[0]: tmp_path / "labels" / "a.png",
        images[1]: tmp_path / "labels" / "town" / "b.png",
    }
    with pytest.raises(ImageError, match=r"1 of 2 files have no labels in"):
        find_labels([images[0], Path("c.jpg")], tmp_path / "labels")


def test_labels_of_images_pair_without_their_suffixes(tmp_path: Path) -> None:
    for name in ("a_ids", "a_color"):
        save(tmp_path / "labels" / f"{name}.png", np.zeros((2, 2), np.uint8))

    found = find_labels(
        [Path("a_left.jpg")], tmp_path / "labels", image_suffix="_left", label_suffix="_ids"
    )

    assert found == {Path("a_left.jpg"): tmp_path / "labels" / "a_ids.png"}


def test_two_files_of_labels_for_one_image_are_an_error(tmp_path: Path) -> None:
    for town in ("aachen", "bonn"):
        save(tmp_path / "labels" / town / "a.png", np.zeros((2, 2), np.uint8))

    with pytest.raises(ImageError, match=r"have one name\n.*aachen.*\n.*bonn"):
        find_labels([Path("a.jpg")], tmp_path / "labels")
