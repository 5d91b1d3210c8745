"""Which file belongs to which."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from segpp.datasets.pairs import Pair, find_labels, find_pairs, load_pair
from segpp.errors import ImageError, InputError, PictureWarning
from segpp.images.preprocess import IMAGE_SUFFIXES
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
    # Pillow alone writes no HEIC.
    pillow_heif.register_heif_opener()
    image.save(tmp_path / "images" / f"a{suffix}")
    save(tmp_path / "labels" / "a.png", np.zeros((2, 2), np.uint8))

    [pair] = find_pairs(tmp_path / "images", tmp_path / "labels")
    pixels, labels = load_pair(pair)

    assert pixels.shape == (2, 2, 3)
    assert labels.shape == (2, 2)


def test_of_several_pages_the_first_is_scored_and_that_is_told(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 6), color) for color in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    Image.new("L", (8, 6)).save(tmp_path / "a.png")

    with pytest.warns(PictureWarning, match=r"a\.gif has 3 pages or frames, and the first alone"):
        image, _ = load_pair(Pair(tmp_path / "a.gif", tmp_path / "a.png"))

    assert image[0, 0].tolist() == [255, 0, 0]


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


def empty(*paths: Path) -> None:
    for path in paths:
        save(path, np.zeros((1, 1), np.uint8))


def names(images: Path, labels: Path, **suffixes: str) -> list[tuple[str, str]]:
    pairs = find_pairs(images, labels, **suffixes)
    return [(pair.image.name, pair.labels.name) for pair in pairs]


def test_labels_beside_their_images_are_no_images(tmp_path: Path) -> None:
    empty(*(tmp_path / f"{name}.png" for name in ("0", "0_L", "1", "1_L")))

    assert names(tmp_path, tmp_path, label_suffix="_L") == [
        ("0.png", "0_L.png"),
        ("1.png", "1_L.png"),
    ]
    with pytest.raises(InputError, match=r"both in (.|\n)*hint: .*`label_suffix=_L`"):
        find_pairs(tmp_path, tmp_path)


def test_linked_folders_are_searched_and_a_link_upwards_is_no_trap(tmp_path: Path) -> None:
    for side in ("images", "labels"):
        empty(tmp_path / side / "a.png", tmp_path / "elsewhere" / side / "b.png")
        (tmp_path / side / "linked").symlink_to(tmp_path / "elsewhere" / side)
        (tmp_path / side / "up").symlink_to(tmp_path / side)

    pairs = find_pairs(tmp_path / "images", tmp_path / "labels")

    assert [pair.image.name for pair in pairs] == ["a.png", "b.png"]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_accent_written_in_one_sign_or_two_is_the_same_name(
    tmp_path: Path, forms: tuple[str, str]
) -> None:
    for side, form in zip(("images", "labels"), forms, strict=True):
        name = unicodedata.normalize(form, "caf\u00e9")
        empty(tmp_path / side / name / f"{name}.png")

    assert len(find_pairs(tmp_path / "images", tmp_path / "labels")) == 1


def test_patterns_pair_by_what_their_stars_stand_for(tmp_path: Path) -> None:
    for run in ("one", "two"):
        empty(tmp_path / run / "rgb" / "7.png", tmp_path / run / "seg" / "7.png")

    pairs = find_pairs(tmp_path / "*" / "rgb" / "*.png", tmp_path / "*" / "seg" / "*.png")

    assert [(p.image.parts[-3], p.labels.parts[-3]) for p in pairs] == [
        ("one", "one"),
        ("two", "two"),
    ]


@pytest.mark.parametrize(
    ("image", "labels", "told"),
    [
        ("A.png", "a.png", "they match but for upper and lower case"),
        ("a.png", "a_mask.png", "there they are, with '_mask' behind their names"),
        ("a_rgb.png", "a.png", "there they are, without '_rgb' behind their names"),
    ],
)
def test_names_that_nearly_match_are_told(
    tmp_path: Path, image: str, labels: str, told: str
) -> None:
    empty(tmp_path / "images" / image, tmp_path / "labels" / labels)

    with pytest.raises(ImageError) as failure:
        find_pairs(tmp_path / "images", tmp_path / "labels")

    assert told in str(failure.value)


def test_files_whose_names_begin_with_a_dot_are_left_out(tmp_path: Path) -> None:
    for side in ("images", "labels"):
        empty(tmp_path / side / "a.png", tmp_path / side / ".hidden" / "b.png")
    (tmp_path / "images" / "._a.png").write_bytes(os.urandom(64))

    assert names(tmp_path / "images", tmp_path / "labels") == [("a.png", "a.png")]
