"""Colors: distinct, read from files, painted exactly."""

from pathlib import Path

import numpy as np
import pytest

from segpp.errors import InputError
from segpp.images.palette import colorize, default_palette, overlay, read_class_names, read_palette

PALETTE = ((255, 0, 0), (0, 255, 0), (10, 20, 30))


@pytest.mark.parametrize("count", [1, 2, 19, 150, 256, 3000])
def test_default_colours_are_distinct_and_none_is_black(count: int) -> None:
    palette = default_palette(count)

    assert len(set(palette)) == count
    assert (0, 0, 0) not in palette
    assert all(0 <= value <= 255 for colour in palette for value in colour)


def test_a_class_keeps_its_colour_when_there_are_more_classes() -> None:
    assert default_palette(150)[:19] == default_palette(19)


def test_the_first_colours_can_be_told_apart() -> None:
    colours = np.array(default_palette(19), np.int64)

    distance = np.abs(colours[:, None] - colours[None]).sum(-1)

    assert distance[~np.eye(19, dtype=bool)].min() >= 90


def test_colourise_paints_each_class_and_leaves_the_unknown_black() -> None:
    labels = np.array([[0, 1], [2, 255]], np.uint8)

    painted = colorize(labels, PALETTE)

    assert painted.dtype == np.uint8
    assert painted.tolist() == [[[255, 0, 0], [0, 255, 0]], [[10, 20, 30], [0, 0, 0]]]


def test_signed_labels_out_of_range_are_black_too() -> None:
    painted = colorize(np.array([[-1, 3, 1]], np.int32), PALETTE)

    assert painted.tolist() == [[[0, 0, 0], [0, 0, 0], [0, 255, 0]]]


def test_class_255_has_a_colour_when_the_palette_reaches_it() -> None:
    palette = default_palette(256)

    assert tuple(colorize(np.array([[255]], np.uint8), palette)[0, 0]) == palette[255]


def test_overlay_mixes_half_and_half() -> None:
    image = np.array([[[100, 100, 100], [0, 0, 255]]], np.uint8)

    painted = overlay(image, np.array([[0, 1]], np.uint8), PALETTE)

    # Exact halves round up: (100 + 255) / 2 = 177.5 and (255 + 0) / 2 = 127.5.
    assert painted.tolist() == [[[178, 50, 50], [0, 128, 128]]]


@pytest.mark.parametrize("height", [1, 128, 129, 300])
def test_alpha_0_is_the_image_and_alpha_1_the_colours(height: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, 7, 3), np.uint8)
    labels = rng.integers(0, 3, (height, 7), np.uint8)

    assert (overlay(image, labels, PALETTE, 0.0) == image).all()
    assert (overlay(image, labels, PALETTE, 1.0) == colorize(labels, PALETTE)).all()


def test_ignored_pixels_show_the_image_whatever_alpha() -> None:
    image = np.full((2, 2, 3), 77, np.uint8)

    painted = overlay(image, np.full((2, 2), 255, np.uint8), PALETTE, 1.0)

    assert (painted == image).all()


def test_overlay_is_within_one_of_the_real_mixture() -> None:
    """1/256 steps of alpha are off by 1/512 of 255, rounding by a half: together below one."""
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (40, 50, 3), np.uint8)
    labels = rng.integers(0, 3, (40, 50), np.uint8)
    for alpha in (0.1, 0.33, 0.5, 0.77):
        exact = (1 - alpha) * image + alpha * colorize(labels, PALETTE).astype(float)

        assert np.abs(overlay(image, labels, PALETTE, alpha) - exact).max() <= 1.0


def test_overlay_refuses_labels_of_another_size_and_an_odd_alpha() -> None:
    image = np.zeros((4, 4, 3), np.uint8)

    with pytest.raises(InputError, match="do not fit together"):
        overlay(image, np.zeros((4, 5), np.uint8), PALETTE)
    with pytest.raises(InputError, match=r"alpha is 1\.5"):
        overlay(image, np.zeros((4, 4), np.uint8), PALETTE, 1.5)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.txt", "road\nside walk\n\nsky\n"),
        ("windows.txt", "\ufeffroad\r\nside walk\r\nsky"),
        ("list.json", '["road", "side walk", "sky"]'),
        ("id2label.json", '{"2": "sky", "0": "road", "1": "side walk"}'),
    ],
)
def test_labels_are_read_from_text_and_json(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8", newline="")

    assert read_class_names(path) == ("road", "side walk", "sky")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spaces.txt", "1 2 3\n\n 255  0 7 \n"),
        ("commas.txt", "1,2,3\n255, 0, 7"),
        ("list.json", "[[1, 2, 3], [255, 0, 7]]"),
    ],
)
def test_colours_are_read_from_text_and_json(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)

    assert read_palette(path) == ((1, 2, 3), (255, 0, 7))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"1 2 3\n1 2\n", "line 2: .* is not a colour"),
        ("a.txt", b"1 2 red\n", "line 1: .* is not a colour"),
        ("a.txt", b"1 2 256\n", "leaves 0-255"),
        ("a.txt", b"\n \n", "only empty lines"),
        ("a.txt", b"\xff\xfe\x00", "is not text"),
        ("a.txt", b"", "is empty"),
        ("a.json", b"[[1, 2, 3]", "is not JSON"),
        ("a.json", b"[[1, 2]]", "entry 0: .* is not a colour"),
        ("a.json", b"3", "holds no list"),
        ("a.json", b"[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_palette_is_said_with_its_place(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(InputError, match=problem):
        read_palette(path)


def test_label_files_with_holes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "id2label.json"
    path.write_text('{"0": "road", "2": "sky"}')

    with pytest.raises(InputError, match="something else than class names"):
        read_class_names(path)
