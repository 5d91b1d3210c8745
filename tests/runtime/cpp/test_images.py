"""Resizing, turning and colours: the bits of Pillow and of NumPy."""

import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.runtime.cpp.probing import Probe, Refused

FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.NEAREST)
# 1, 2, odd, prime; shrunk a little and a lot, enlarged, one side kept, both kept.
SIZES = (
    ((1, 1), (5, 7)),
    ((2, 3), (1, 1)),
    ((7, 5), (7, 9)),
    ((7, 5), (9, 5)),
    ((31, 17), (13, 29)),
    ((64, 96), (64, 96)),
    ((97, 61), (32, 48)),
    ((360, 480), (352, 480)),
    ((301, 499), (64, 96)),
    ((48, 32), (131, 257)),
    ((500, 3), (7, 64)),
)
BOXES = (
    (0.0, 0.0, 1.0, 1.0),
    (0.1, 0.0, 0.9, 1.0),
    (0.0, 1 / 3, 1.0, 2 / 3),
    (0.123, 0.2, 0.87, 0.777),
)


def pillow(
    flat: Image.Image, rows: int, columns: int, filter_: Image.Resampling, box: list[float]
) -> NDArray[np.uint8]:
    """Resize columns first, the order that every version of Pillow can be made to keep."""
    if filter_ is Image.Resampling.NEAREST:
        return np.asarray(flat.resize((columns, rows), filter_, box=tuple(box)))
    left, top, right, bottom = box
    across = flat.resize((columns, flat.height), filter_, box=(left, 0, right, flat.height))
    return np.asarray(across.resize((columns, rows), filter_, box=(0, top, columns, bottom)))


def noise(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def flags(image: NDArray[np.uint8], filter_: Image.Resampling) -> list[object]:
    return [*image.shape, FILTERS.index(filter_)]


@pytest.mark.parametrize("filter_", FILTERS)
@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_gives_pillows_bits(
    probe: Probe, filter_: Image.Resampling, box: tuple[float, ...], channels: int
) -> None:
    for seed, ((height, width), (rows, columns)) in enumerate(SIZES):
        image = noise(seed, height, width, channels)
        scaled = [share * side for share, side in zip(box, (width, height) * 2, strict=True)]
        flat = Image.fromarray(image if channels == 3 else image[:, :, 0])
        expected = pillow(flat, rows, columns, filter_, scaled)

        answer = probe(
            "resample", *flags(image, filter_), *map(repr, scaled), rows, columns,
            given=image.tobytes(),
        )  # fmt: skip

        found = np.frombuffer(answer, np.uint8).reshape(expected.shape)
        assert (found == expected).all(), (height, width, rows, columns)


def test_resizing_gives_pillows_bits_at_many_random_sizes(probe: Probe) -> None:
    random = np.random.default_rng(14)
    for seed in range(150):
        height, width, rows, columns = (int(side) for side in random.integers(1, 120, 4))
        filter_ = FILTERS[seed % 3]
        image = noise(seed, height, width, 3)
        # Black and white alone make the cubic overshoot most.
        image = (image > 127).astype(np.uint8) * 255 if seed % 2 else image
        expected = pillow(Image.fromarray(image), rows, columns, filter_, [0, 0, width, height])

        answer = probe(
            "resample", *flags(image, filter_), 0, 0, width, height, rows, columns,
            given=image.tobytes(),
        )  # fmt: skip

        found = np.frombuffer(answer, np.uint8).reshape(expected.shape)
        assert (found == expected).all(), (height, width, rows, columns, filter_)


def test_every_half_becomes_the_float_that_numpy_makes_of_it(probe: Probe) -> None:
    expected = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)

    found = np.frombuffer(probe("halves"), np.float32)

    assert same(found, expected)


def test_floats_become_the_halves_that_numpy_makes_of_them(probe: Probe) -> None:
    bits = np.arange(0, 1 << 32, 4099, dtype=np.uint64).astype(np.uint32)
    with np.errstate(over="ignore"):
        expected = bits.view(np.float32).astype(np.float16)

    found = np.frombuffer(probe("floats"), np.float16)

    assert same(found, expected)


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether both hold the same numbers, -0 told from 0, and not-a-numbers alike."""
    kind = np.uint32 if one.itemsize == 4 else np.uint16
    numbers = ~np.isnan(other)
    return bool(
        (np.isnan(one) == np.isnan(other)).all()
        and (one.view(kind)[numbers] == other.view(kind)[numbers]).all()
    )


def yuyv_reference(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """BT.601 in studio range, by its definition: KR = 0.299, KB = 0.114."""
    pairs = frame.reshape(frame.shape[0], -1, 4).astype(np.float64)
    luma = np.stack([pairs[..., 0], pairs[..., 2]], -1).reshape(frame.shape[0], -1)
    blue, red = (np.repeat(pairs[..., i] - 128, 2, axis=1) / 224 for i in (1, 3))
    luma = (luma - 16) / 219
    rgb = (
        luma + 1.402 * red,
        luma - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587,
        luma + 1.772 * blue,
    )
    return np.rint(np.stack(rgb, -1) * 255).clip(0, 255).astype(np.uint8)


def test_a_cameras_yuyv_becomes_the_rgb_of_bt601(probe: Probe) -> None:
    frame = noise(3, 20, 2 * 36)

    answer = probe("yuyv", 20, 36, 72, frame.size, given=frame.tobytes())

    found = np.frombuffer(answer, np.uint8).reshape(20, 36, 3)
    # The factors are rounded to 1/65536: at most a unit between the two.
    assert np.abs(found.astype(int) - yuyv_reference(frame)).max() <= 1


def test_rows_of_a_frame_may_be_wider_than_its_pixels(probe: Probe) -> None:
    frame = noise(4, 6, 32)
    narrow = np.ascontiguousarray(frame[:, :24])

    # The last row may end with its last pixel.
    wide = probe("yuyv", 6, 12, 32, 5 * 32 + 24, given=frame.tobytes()[: 5 * 32 + 24])

    assert wide == probe("yuyv", 6, 12, 24, narrow.size, given=narrow.tobytes())


@pytest.mark.parametrize(("height", "width", "row"), [(6, 12, 20), (6, 11, 24), (7, 12, 24)])
def test_a_frame_that_is_too_short_is_refused(
    probe: Probe, height: int, width: int, row: int
) -> None:
    with pytest.raises(Refused, match="a frame of 144 bytes is no YUYV of"):
        probe("yuyv", height, width, row, 144, given=bytes(144))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_exif_counts(probe: Probe, orientation: int) -> None:
    turns = [None, *(getattr(Image.Transpose, name) for name in (
        "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270",
        "TRANSVERSE", "ROTATE_90",
    ))]  # fmt: skip
    image = noise(5, 4, 7, 3)
    turn = turns[orientation - 1]
    upright = Image.fromarray(image)
    expected = np.asarray(upright if turn is None else upright.transpose(turn))

    answer = probe("upright", 4, 7, orientation, given=image.tobytes())

    assert struct.unpack("2i", answer[:8]) == expected.shape[:2]
    assert answer[8:] == expected.tobytes()
