"""What a resized pixel is made of is what Pillow makes it of."""

import numpy as np
import pytest
from PIL import Image

from segpp.errors import InputError
from segpp.export.onnx_graph.taps import resize_taps

FILTERS = {
    "pillow-bilinear": Image.Resampling.BILINEAR,
    "pillow-bicubic": Image.Resampling.BICUBIC,
    "pillow-nearest": Image.Resampling.NEAREST,
}


def along(image: np.ndarray, axis: int, after: int, resize: str) -> np.ndarray:
    taps = resize_taps(image.shape[axis], after, resize)
    # In whole numbers, as Pillow does it.
    weights = (taps.weights.astype(np.float64) * (1 << 22)).astype(np.int64)
    moved = np.moveaxis(image.astype(np.int64), axis, 0)
    total = sum(w[:, None] * moved[s] for w, s in zip(weights, taps.sources, strict=True))
    return np.moveaxis(np.clip((total + (1 << 21)) >> 22, 0, 255), 0, axis)


@pytest.mark.parametrize("resize", FILTERS)
@pytest.mark.parametrize(
    ("before", "after"),
    [((72, 128), (51, 102)), ((31, 47), (64, 96)), ((90, 40), (13, 80)), ((64, 64), (64, 64))],
)
def test_every_pixel_is_pillows(
    resize: str, before: tuple[int, int], after: tuple[int, int]
) -> None:
    image = np.random.default_rng(1).integers(0, 256, before, np.uint8)
    # One side after the other: from Pillow 13 on rows may come first.
    across = Image.fromarray(image).resize((after[1], before[0]), FILTERS[resize])
    theirs = np.asarray(across.resize(after[::-1], FILTERS[resize]))

    ours = along(along(image, 1, after[1], resize), 0, after[0], resize)

    assert (ours == theirs).all()


def test_of_one_size_a_pixel_is_itself() -> None:
    taps = resize_taps(9, 9, "pillow-bilinear")

    assert taps.sources.tolist() == [list(range(9))]
    assert (taps.weights == 1).all()


def test_an_unknown_way_is_an_error() -> None:
    with pytest.raises(InputError, match="unknown way to resize 'lanczos'"):
        resize_taps(9, 3, "lanczos")
