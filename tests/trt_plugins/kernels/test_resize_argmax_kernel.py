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
# single row and column, as many columns as a block has and one more, classes that fill a warp's
# share, the most that cells take and one more, and sizes that only the pixel kernel does, the last
# as of an image that 4 does not divide.
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
    (10, (6, 30), (24, 120)),
    (11, (3, 61), (12, 244)),
    (200, (3, 31), (12, 124)),
    (201, (3, 5), (12, 20)),
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
    kernels: Kernels,
    logits: Any,
    size: tuple[int, int],
    *,
    offset: int = 0,
    order: int = 0,
    align_corners: bool = False,
) -> NDArray[Any]:
    batch, classes = logits.shape[:2]
    narrow = classes <= MAX_INT8_CLASSES
    out = poisoned((batch, *size), np.int8 if narrow else np.int32)
    given = shifted(logits, offset), shifted(out, offset)
    sizes = (*logits.shape, *size, int(align_corners))
    answer = kernels.call("labels", *given, TYPES.index(logits.dtype), *sizes, offset, order=order)
    assert answer.code == 0
    assert (answer.arrays[1][:offset] == 0xFF).all()
    return answer.arrays[1][offset:].view(out.dtype).reshape(out.shape)


def axis(size: int, out: int, *, align_corners: bool) -> tuple[Any, Any, Any]:
    """The oracle's neighbours, except that one of weight zero is not looked at."""
    ends = (size - 1, max(out - 1, 1)) if align_corners else (size, out)
    centre = np.float32(0 if align_corners else 0.5)
    scale = np.float32(ends[0]) / np.float32(ends[1])
    source = (np.arange(out, dtype=np.float32) + centre) * scale - centre
    source = np.maximum(source, np.float32(0))
    low = np.floor(source).astype(int)
    weight = source - low
    return low, np.where(weight > 0, np.minimum(low + 1, size - 1), low), weight


def pixels(
    logits: Any, size: tuple[int, int], kind: Any, *, align_corners: bool = False
) -> NDArray[Any]:
    """Interpolated logits (B, K, H, W) in ``kind``; a lone class is held to one of zeros."""
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    top, bottom, down = axis(logits.shape[2], size[0], align_corners=align_corners)
    left, right, across = axis(logits.shape[3], size[1], align_corners=align_corners)
    wide = logits.astype(kind)
    across, down = across.astype(kind), down.astype(kind)[:, None]
    columns = (1 - across) * wide[..., left] + across * wide[..., right]
    return (1 - down) * columns[:, :, top] + down * columns[:, :, bottom]


def assert_best(logits: Any, labels: Any, *, align_corners: bool = False) -> None:
    """The oracle's labels, or others that are as good up to rounding."""
    expected = resize_argmax_reference(
        logits, height=labels.shape[1], width=labels.shape[2], align_corners=align_corners
    )
    assert labels.dtype == expected.dtype
    if (labels == expected).all():
        return
    exact = pixels(logits, labels.shape[1:], np.float64, align_corners=align_corners)
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
def test_corners_can_be_aligned(kernels: Kernels, kind: Any) -> None:
    random = np.random.default_rng(2)
    for batch, (classes, low, high) in enumerate(SHAPES):
        logits = random.standard_normal((batch % 3 + 1, classes, *low)).astype(kind)

        labels = labels_of(kernels, logits, high, align_corners=True)

        assert_best(logits, labels, align_corners=True)


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("size", [(5, 7), (20, 28), (13, 40)])
def test_a_single_class_is_present_where_its_logit_is_above_zero(
    kernels: Kernels, kind: Any, size: tuple[int, int]
) -> None:
    logits = np.random.default_rng(3).standard_normal((2, 1, 5, 7)).astype(kind)
    logits[0, 0, 2:4, 3:5] = 0
    logits[1, 0, 2:4, 3:5] = np.nan

    labels = labels_of(kernels, logits, size)

    value = pixels(logits, size, np.float32)[:, 1]
    clear = np.isnan(value) | (np.abs(value) > TIE * 4) | (value == 0)
    assert (labels == (value > 0))[clear].all()
    assert clear.mean() > 0.99
    assert 0.2 < labels.mean() < 0.8


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


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("classes", [19, 60, 150])
def test_both_kernels_give_the_same_labels(
    kernels: Kernels, scale: int, classes: int, kind: Any
) -> None:
    random = np.random.default_rng(scale)
    logits = (100 + random.standard_normal((1, classes, 6, 9)) * 2.0**-4).astype(kind)
    size = (6 * scale, 9 * scale)

    by_cells = labels_of(kernels, logits, size)
    # Labels at an odd multiple of four bytes are written pixel by pixel.
    by_pixels = labels_of(kernels, logits, size, offset=4)

    assert (by_cells == by_pixels).all()


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_class_one_step_above_another_is_above_it_everywhere(
    kernels: Kernels, scale: int, kind: Any
) -> None:
    # Planes of one value each, the second class the next number after the first. Bounds without
    # slack are right because what is interpolated between equal corners is those corners.
    random = np.random.default_rng(scale)
    low = (
        random.uniform(1, 2, (60, 1, 1, 1)) * 2.0 ** random.integers(-3, 4, (60, 1, 1, 1))
    ).astype(kind)
    low[:2] = np.finfo(np.float16).tiny.astype(kind) / 8
    bits = low.view(f"i{kind.itemsize}")
    pair = np.concatenate([bits, bits + 1], axis=1).view(kind)
    logits = np.broadcast_to(pair, (60, 2, 3, 3)).copy()
    size = (3 * scale, 3 * scale)

    by_cells = labels_of(kernels, logits, size)
    by_pixels = labels_of(kernels, logits, size, offset=4)

    assert (by_cells == 1).all()
    assert (by_pixels == 1).all()


@pytest.mark.parametrize("count", [1, 3, 40])
def test_the_best_of_several_in_every_part_of_the_classes(kernels: Kernels, count: int) -> None:
    # Cells in which so many classes win somewhere, wherever among those of a block's warps.
    random = np.random.default_rng(count)
    logits = np.full((1, 150, 12, 40), -9, np.float16)
    near = random.permutation(150)[:count]
    logits[:, near] = random.standard_normal((1, count, 12, 40))

    labels = labels_of(kernels, logits, (48, 160))

    assert_best(logits, labels)
    assert set(np.unique(labels)) <= set(near)


@pytest.mark.parametrize(("classes", "low"), [(11, (90, 120)), (19, (128, 256)), (150, (48, 64))])
def test_labels_of_whole_pictures_are_the_best_classes(
    kernels: Kernels, classes: int, low: tuple[int, int]
) -> None:
    # Regions of one class with noise on them, as networks give.
    random = np.random.default_rng(classes)
    coarse = random.standard_normal((1, classes, low[0] // 10 + 1, low[1] // 10 + 1)) * 6
    wide = np.repeat(np.repeat(coarse, 10, axis=2), 10, axis=3)[:, :, : low[0], : low[1]]
    logits = (wide + random.standard_normal(wide.shape)).astype(np.float16)
    size = (4 * low[0], 4 * low[1])

    labels = labels_of(kernels, logits, size)

    assert_best(logits, labels)


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

    answer = kernels.call("labels", logits, out, 0, *sizes, 0, 0)

    assert answer.code != 0
    assert (answer.arrays[1] == -1).all()
