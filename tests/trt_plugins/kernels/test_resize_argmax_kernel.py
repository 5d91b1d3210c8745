"""The resize-argmax kernel's own source against the oracle, under sanitizers."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segpp.ops import MAX_INT8_CLASSES, resize_argmax_reference
from tests.trt_plugins.conftest import Open
from tests.trt_plugins.kernels.gather_kernels import GATHER_SOURCES, TYPES, shifted
from tests.trt_plugins.kernels.kernel_library import Kernels, poisoned

# Two FP32 roundings per interpolation, in the kernel and in the oracle, each of at most half a
# unit of the largest corner: together less than 8 * 2^-24 of it.
TIE = 8 * 2.0**-24

# Classes, then the size of the logits and of the labels: cells of 2, 4 and 8, a lone logit, a
# single row and column, and sizes that only the pixel
# kernel does, the last as of an image that 4 does not divide.
SHAPES = (
    (19, (5, 7), (20, 28)),
    (19, (16, 33), (64, 132)),
    (2, (3, 4), (6, 8)),
    (3, (31, 3), (62, 6)),
    (21, (4, 5), (32, 40)),
    (1, (1, 1), (4, 4)),
    (1, (2, 3), (16, 24)),
    (127, (3, 5), (12, 20)),
    (128, (3, 5), (12, 20)),
    (150, (5, 4), (40, 32)),
    (150, (4, 9), (8, 18)),
    (33, (1, 9), (4, 36)),
    (19, (9, 1), (36, 4)),
    (19, (5, 5), (5, 5)),
    (19, (5, 6), (15, 18)),
    (19, (8, 8), (3, 5)),
    (150, (5, 5), (7, 13)),
    (7, (4, 4), (8, 16)),
    (19, (9, 12), (33, 47)),
)


@pytest.fixture(scope="module")
def kernels(open_kernels: Open) -> Kernels:
    return open_kernels(*GATHER_SOURCES)


def labels_of(
    kernels: Kernels, logits: Any, size: tuple[int, int], *, offset: int = 0, order: int = 0
) -> NDArray[Any]:
    batch, classes = logits.shape[:2]
    narrow = classes <= MAX_INT8_CLASSES
    out = poisoned((batch, *size), np.int8 if narrow else np.int32)
    given = shifted(logits, offset), shifted(out, offset)
    sizes = (*logits.shape, *size)
    answer = kernels.call("labels", *given, TYPES.index(logits.dtype), *sizes, offset, order=order)
    assert answer.code == 0
    assert (answer.arrays[1][:offset] == 0xFF).all()
    return answer.arrays[1][offset:].view(out.dtype).reshape(out.shape)


def axis(size: int, out: int) -> tuple[Any, Any, Any]:
    """The oracle's neighbours, except that one of weight zero is not looked at."""
    scale = np.float32(size) / np.float32(out)
    centre = (np.arange(out, dtype=np.float32) + np.float32(0.5)) * scale
    source = np.maximum(centre - np.float32(0.5), np.float32(0))
    low = np.floor(source).astype(int)
    weight = source - low
    return low, np.where(weight > 0, np.minimum(low + 1, size - 1), low), weight


def pixels(logits: Any, size: tuple[int, int], kind: Any) -> NDArray[Any]:
    """Interpolated logits (B, K, H, W) in ``kind``."""
    top, bottom, down = axis(logits.shape[2], size[0])
    left, right, across = axis(logits.shape[3], size[1])
    wide = logits.astype(kind)
    across, down = across.astype(kind), down.astype(kind)[:, None]
    columns = (1 - across) * wide[..., left] + across * wide[..., right]
    return (1 - down) * columns[:, :, top] + down * columns[:, :, bottom]


def assert_best(logits: Any, labels: Any) -> None:
    """The oracle's labels, or others that are as good up to rounding."""
    expected = resize_argmax_reference(logits, height=labels.shape[1], width=labels.shape[2])
    assert labels.dtype == expected.dtype
    if (labels == expected).all():
        return
    exact = pixels(logits, labels.shape[1:], np.float64)
    best, chosen = (
        np.take_along_axis(exact, found[:, None].astype(int), axis=1)
        for found in (expected, labels)
    )
    assert (np.abs(best - chosen) < TIE * np.abs(logits.astype(np.float64)).max()).all()


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("order", [0, 1])
def test_labels_are_the_best_classes(kernels: Kernels, kind: Any, order: int) -> None:
    random = np.random.default_rng(order)
    for batch, (classes, low, high) in enumerate(SHAPES):
        logits = random.standard_normal((batch % 3 + 1, classes, *low)).astype(kind)

        labels = labels_of(kernels, logits, high, order=order)

        assert_best(logits, labels)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_near_ties_are_decided_by_rounding_alone(kernels: Kernels, kind: Any) -> None:
    random = np.random.default_rng(0)
    for classes, low, high in SHAPES:
        noise = random.standard_normal((1, classes, *low)) * 2.0**-22
        logits = (1000 * (1 + noise)).astype(kind)

        labels = labels_of(kernels, logits, high)

        assert_best(logits, labels)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_ties_go_to_the_lowest_class(kernels: Kernels, scale: int) -> None:
    # Small whole numbers and weights that are sixteenths: every value is exact in any arithmetic.
    random = np.random.default_rng(scale)
    logits = random.integers(-1, 2, (2, 40, 9, 7)).astype(np.float16)
    size = (9 * scale, 7 * scale)

    labels = labels_of(kernels, logits, size)

    assert (labels == resize_argmax_reference(logits, height=size[0], width=size[1])).all()


def test_smooth_logits_have_one_class_nearly_everywhere(kernels: Kernels) -> None:
    blobs = np.random.default_rng(0).standard_normal((1, 19, 3, 5))
    logits = np.repeat(np.repeat(blobs, 8, axis=2), 8, axis=3).astype(np.float32)

    labels = labels_of(kernels, logits, (96, 160))

    assert_best(logits, labels)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("classes", [19, 60])
def test_both_kernels_give_the_same_labels(kernels: Kernels, scale: int, classes: int) -> None:
    random = np.random.default_rng(scale)
    logits = (100 + random.standard_normal((1, classes, 6, 9)) * 2.0**-4).astype(np.float16)
    size = (6 * scale, 9 * scale)

    by_cells = labels_of(kernels, logits, size)
    # Labels at an odd multiple of two bytes are written pixel by pixel.
    by_pixels = labels_of(kernels, logits, size, offset=2)

    assert (by_cells == by_pixels).all()


@pytest.mark.parametrize("size", [(12, 20), (24, 40), (48, 80), (9, 25)])
def test_not_a_number_never_wins(kernels: Kernels, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    logits = random.standard_normal((2, 19, 6, 10)).astype(np.float32)
    logits[random.random(logits.shape) < 0.02] = np.nan
    logits[random.random(logits.shape) < 0.01] = np.inf
    logits[random.random(logits.shape) < 0.01] = -np.inf
    logits[1, :, 2:5, 3:6] = np.nan

    labels = labels_of(kernels, logits, size)

    with np.errstate(invalid="ignore"):
        values = pixels(logits, size, np.float32)
    expected = np.where(np.isnan(values), -np.inf, values).argmax(1)
    # Finite values are as far apart as random ones are; infinite ones and gaps decide exactly.
    assert (labels == expected).all()


@pytest.mark.parametrize(
    "sizes",
    [(0, 2, 2, 2, 4, 4), (1, 0, 2, 2, 4, 4), (1, 2, 2, 2, 0, 4), (1, 2, 1 << 16, 1 << 16, 4, 4)],
)
def test_sizes_that_mean_nothing_are_refused(kernels: Kernels, sizes: tuple[int, ...]) -> None:
    logits, out = np.zeros((1, 2, 2, 2), np.float32), poisoned((1, 4, 4), np.int8)

    answer = kernels.call("labels", logits, out, 0, *sizes, 0)

    assert answer.code != 0
    assert (answer.arrays[1] == -1).all()
