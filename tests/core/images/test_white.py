"""What is white: numbers checked by hand, and a word where a picture would be black."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import ImageError, InputError, PictureWarning
from segpp.images.white import WhiteCount, auto_white, check_white, scaled, to_8_bits

HERE = Path("x.tif")


def test_the_value_that_is_white_becomes_255_and_others_are_rounded() -> None:
    pixels = np.array([0, 8, 9, 2048, 4095, 5000], np.uint16)

    # 8 * 255 / 4095 is 0.498, 9 is 0.56, 2048 is 127.53.
    assert scaled(pixels, 4095).tolist() == [0, 0, 1, 128, 255, 255]


@pytest.mark.parametrize("white", [3, 255, 4095, 10_000, 0.7])
def test_a_table_gives_what_the_formula_gives(white: float) -> None:
    pixels = np.arange(65536, dtype=np.uint16)

    assert (scaled(pixels, white) == scaled(pixels.astype(np.int64), white)).all()


def test_signs_and_what_is_no_number_are_black() -> None:
    assert scaled(np.array([-5, 0, 5], np.int16), 5).tolist() == [0, 0, 255]
    assert scaled(np.array([math.nan, math.inf, 1]), 1).tolist() == [0, 255, 255]


@pytest.mark.parametrize(
    ("dtype", "bits", "most"),
    [
        (np.uint16, 16, 65535),
        (np.uint16, 12, 4095),
        (np.int16, 16, 32767),
        (np.uint32, 32, 2**32 - 1),
    ],
)
def test_without_a_word_the_high_byte_counts(dtype: type, bits: int, most: int) -> None:
    pixels = np.array([0, most // 2, most], dtype)

    assert to_8_bits(HERE, pixels, bits, None).tolist() == [0, 127, 255]


@pytest.mark.parametrize(
    ("most", "white"),
    [(0, 255), (255, 255), (256, 1023), (3886, 4095), (9490, 10_000), (10_001, 16_383),
     (60_000, 65_535), (65_536, 131_071)],
)  # fmt: skip
def test_auto_is_the_next_usual_white(most: int, white: int) -> None:
    assert auto_white(np.full((40, 40), most, np.uint32)) == white


def test_auto_passes_over_one_sample_in_a_thousand() -> None:
    pixels = np.full(2000, 900, np.uint16)
    pixels[:2] = 60_000

    assert auto_white(pixels) == 1023
    pixels[2] = 60_000
    assert auto_white(pixels) == 65_535


def test_auto_of_floats() -> None:
    assert auto_white(np.array([0.0, 0.4, math.nan])) == 1
    assert auto_white(np.array([0.0, 200.5])) == 255
    assert auto_white(np.array([math.nan])) == 1


def test_a_picture_that_would_be_black_is_warned_about() -> None:
    dark = np.array([0, 9490], np.uint16)

    with pytest.warns(
        PictureWarning, match=r"x\.tif is nearly black: .* 9490, .* 65535; .*`white="
    ):
        to_8_bits(HERE, dark, 16, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_8_bits(HERE, dark, 16, "max")
        to_8_bits(HERE, dark, 16, "auto")
        to_8_bits(HERE, np.array([0, 20_000], np.uint16), 16, None)
        to_8_bits(HERE, np.zeros(3, np.uint16), 16, None)


def test_floats_beyond_1_need_a_number() -> None:
    with pytest.raises(ImageError, match=r"holds floats from -1 to 0\.5"):
        to_8_bits(HERE, np.array([-1, 0.5]), 64, None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        ("auto", "auto"),
        ("max", "max"),
        ("4095", "4095"),
        (4095.0, "4095"),
        (0.5, "0.5"),
    ],
)
def test_a_white_point_has_one_spelling(given: str | float | None, kept: str | None) -> None:
    assert check_white(given) == kept


@pytest.mark.parametrize("given", ["", "bright", 0, -1, math.nan, math.inf, True, [1], "1e400"])
def test_other_white_points_are_named(given: object) -> None:
    with pytest.raises(InputError, match="`white` is"):
        check_white(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.uint64, np.float32, np.float64])
def test_counting_part_by_part_finds_the_same_white(dtype: type) -> None:
    random = np.random.default_rng(0)
    for most in (0.4, 1.0, 1.5, 100, 255, 256, 9_999, 65_535, 65_536, 1e6, 2.0**40, 2.0**63):
        limit = most if np.dtype(dtype).kind == "f" else min(most, np.iinfo(dtype).max // 2)
        pixels = (random.random((1001, 7)) ** 0.01 * limit).astype(dtype)
        pixels[3, 3] = limit
        count = WhiteCount(pixels.dtype)
        for top in range(0, len(pixels), 90):
            count.add(pixels[top : top + 90])
        assert count.white() == auto_white(pixels)


def test_what_is_not_finite_is_not_looked_at(recwarn: pytest.WarningsRecorder) -> None:
    pixels = np.array([[math.nan, 0.5, math.inf, 1]], np.float32)

    assert to_8_bits(HERE, pixels, 32, None).tolist() == [[0, 128, 255, 255]]
    assert to_8_bits(HERE, np.full((2, 3), math.nan), 64, None).tolist() == [[0] * 3] * 2
    with pytest.raises(ImageError, match=r"holds floats from 0\.5 to 7"):
        to_8_bits(HERE, np.array([[math.nan, 0.5, math.inf, 7]]), 64, None)
    assert not recwarn.list
