"""Resize-and-argmax against torch, pixel by pixel."""

import tracemalloc

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segpp.errors import CheckError, InputError
from segpp.images.postprocess import labels_from, resize_argmax, resize_labels
from segpp.manifest import OutputSpec

SIZES = [
    ((5, 7), (20, 28)),  # the usual x4
    ((5, 7), (23, 30)),  # no common factor
    ((6, 9), (6, 9)),  # nothing to do
    ((16, 20), (5, 7)),  # smaller than the logits
    ((1, 1), (4, 3)),
    ((1, 6), (2, 13)),
    ((7, 5), (1, 1)),
    ((3, 200), (6, 4000)),  # a row longer than one strip
]


def blobs(classes: int, height: int, width: int, *, batch: int = 1) -> np.ndarray:
    """Smooth logits, so that most cells have one class and some have three."""
    noise = torch.randn(
        batch, classes, max(2, height // 3), max(2, width // 3), generator=torch.manual_seed(0)
    )
    return F.interpolate(noise, size=(height, width), mode="bicubic").numpy()


def assert_same_up_to_ties(
    labels: np.ndarray, logits: np.ndarray, size: tuple[int, int], *, align_corners: bool
) -> None:
    """Equal to torch in float64, except where its two best are a rounding apart.

    Each interpolated float32 value passes three roundings of 2^-24 in either direction on top
    of two rounded weights; two classes together stay below 8 * 2^-24 of the largest corner.
    """
    exact = F.interpolate(
        torch.from_numpy(logits).double(), size=size, mode="bilinear", align_corners=align_corners
    )
    wrong = torch.from_numpy(labels.astype(np.int64)) != exact.argmax(1)
    chosen = exact.gather(1, torch.from_numpy(labels.astype(np.int64))[:, None])[:, 0]
    behind = exact.amax(1) - chosen
    assert (behind[wrong] < 8 * 2**-24 * np.abs(logits).max()).all()
    assert wrong.double().mean() < 1e-3


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("small", "size"), SIZES, ids=str)
@pytest.mark.parametrize("kind", ["blobs", "noise"])
def test_labels_are_those_of_torch(
    kind: str, small: tuple[int, int], size: tuple[int, int], *, align_corners: bool
) -> None:
    noise = torch.randn(2, 19, *small, generator=torch.manual_seed(1)).numpy()
    logits = noise if kind == "noise" else blobs(19, *small, batch=2)

    labels = resize_argmax(logits, size, align_corners=align_corners)

    assert labels.shape == (2, *size)
    assert labels.dtype == np.uint8
    assert_same_up_to_ties(labels, logits, size, align_corners=align_corners)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("small", "size"), SIZES, ids=str)
def test_one_channel_is_cut_where_its_sigmoid_is_a_half(
    small: tuple[int, int], size: tuple[int, int], *, align_corners: bool
) -> None:
    logit = torch.randn(2, 1, *small, generator=torch.manual_seed(3))

    labels = resize_argmax(logit.numpy(), size, align_corners=align_corners)

    two = torch.cat([torch.zeros_like(logit), logit], dim=1).numpy()
    assert labels.dtype == np.uint8
    assert labels.any()
    assert_same_up_to_ties(labels, two, size, align_corners=align_corners)


def test_channels_may_be_last() -> None:
    logits = blobs(4, 6, 9)
    last = OutputSpec("out", "logits", (1, 6, 9, 4), "float32", layout="NHWC")
    first = OutputSpec("out", "logits", (1, 4, 6, 9), "float32")

    by_last = labels_from(logits.transpose(0, 2, 3, 1), last, [(24, 36)], classes=4)
    by_first = labels_from(logits, first, [(24, 36)], classes=4)

    assert (by_last[0] == by_first[0]).all()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_labels_may_have_a_channel(layout: str) -> None:
    labels = np.arange(54, dtype=np.int64).reshape(1, 6, 9)
    raw = labels[:, None] if layout == "NCHW" else labels[..., None]
    output = OutputSpec("out", "labels", raw.shape, "int64", layout=layout)

    [found] = labels_from(raw, output, [(6, 9)], classes=256)

    assert (found == labels[0]).all()


def test_a_class_that_leads_at_no_corner_can_still_win_inside() -> None:
    """Corners 1 and 0 average to 0.5 in the middle; the steady 0.6 is above both there."""
    logits = np.array([[1.0, 0.0], [0.6, 0.6], [0.0, 1.0]], np.float32).reshape(1, 3, 1, 2)

    labels = resize_argmax(logits, (1, 9), align_corners=True)

    assert labels[0, 0].tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2]


def test_equal_classes_go_to_the_lowest() -> None:
    logits = np.zeros((1, 5, 3, 3), np.float32)
    logits[:, 2:4] = 1.0

    assert np.unique(resize_argmax(logits, (12, 12))).tolist() == [2]


def test_more_than_256_classes_need_int32() -> None:
    logits = torch.randn(1, 300, 4, 4, generator=torch.manual_seed(2)).numpy()

    labels = resize_argmax(logits, (9, 9))

    assert labels.dtype == np.int32
    assert_same_up_to_ties(labels, logits, (9, 9), align_corners=False)


def test_class_255_fits_uint8() -> None:
    logits = np.zeros((1, 256, 2, 2), np.float32)
    logits[:, 255] = 1.0

    assert np.unique(resize_argmax(logits, (5, 5))).tolist() == [255]


def test_half_precision_is_computed_in_single() -> None:
    logits = blobs(7, 8, 8).astype(np.float16)

    labels = resize_argmax(logits, (32, 32))

    assert (labels == resize_argmax(logits.astype(np.float32), (32, 32))).all()


def test_not_a_number_never_wins_and_spoils_no_other_class() -> None:
    logits = blobs(4, 6, 6)
    spoilt = logits.copy()
    spoilt[:, 1] = np.nan

    labels = resize_argmax(spoilt, (24, 24))

    logits[:, 1] = -100.0
    assert (labels == resize_argmax(logits, (24, 24))).all()


def test_full_resolution_logits_never_exist() -> None:
    logits = torch.randn(1, 19, 64, 128, generator=torch.manual_seed(3)).numpy()
    tracemalloc.start()

    resize_argmax(logits, (1024, 2048))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The labels are 2 MB and the logits 0.6 MB; at full resolution they would be 159 MB.
    assert peak < 10e6


@pytest.mark.parametrize("shape", [(19, 4, 4), (1, 19, 0, 4), (0, 2, 3, 3)])
def test_what_is_no_batch_of_logits_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="cannot be resized"):
        resize_argmax(np.zeros(shape, np.float32), (8, 8))


def test_labels_resize_to_the_nearest_and_invent_none() -> None:
    labels = np.array([[1, 2], [3, 9]], np.uint8)

    larger = resize_labels(labels, (4, 3))

    assert larger.tolist() == [[1, 2, 2], [1, 2, 2], [3, 9, 9], [3, 9, 9]]
    assert (resize_labels(larger, (2, 2)) == labels).all()


@pytest.mark.parametrize(("small", "size"), SIZES, ids=str)
def test_nearest_labels_are_those_of_torch_nearest_exact(
    small: tuple[int, int], size: tuple[int, int]
) -> None:
    labels = torch.randint(0, 19, small, generator=torch.manual_seed(4), dtype=torch.uint8)

    resized = resize_labels(labels.numpy(), size)

    expected = F.interpolate(labels[None, None].double(), size=size, mode="nearest-exact")
    assert (resized == expected[0, 0].byte().numpy()).all()


@pytest.mark.parametrize("number", [1 << 16, (1 << 16) - 1, 1 << 40, -2, -(1 << 33)])
def test_labels_that_no_mask_holds_are_refused(number: int) -> None:
    raw = np.array([[[0, 1], [2, number]]], np.int64)
    output = OutputSpec("labels", "labels", raw.shape, "int64")

    with pytest.raises(CheckError, match=f"the network gives the class {number}"):
        labels_from(raw, output, [(2, 2)], classes=256)


def test_the_largest_label_and_none_pass() -> None:
    raw = np.array([[[0, 1], [-1, (1 << 16) - 2]]], np.int64)
    output = OutputSpec("labels", "labels", raw.shape, "int64")

    [found] = labels_from(raw, output, [(2, 2)], classes=256)

    assert (found == raw[0]).all()
