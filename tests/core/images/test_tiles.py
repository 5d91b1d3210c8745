"""Tiles cover a picture, and its labels are those of the mean of their logits."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional as F

from segpp.errors import InputError
from segpp.images.preprocess import ImageArray, pad_image
from segpp.images.tiles import check_overlap, tile_labels, tile_starts
from segpp.manifest import InputSpec

SPEC = InputSpec(
    name="image",
    shape=(2, 3, 32, 48),
    dtype="float32",
    layout="NCHW",
    colours="RGB",
    mean=(100.0, 100.0, 100.0),
    std=(1.0, 1.0, 1.0),
)


@given(st.integers(1, 900), st.integers(1, 300), st.floats(0, 0.9))
def test_tiles_cover_a_side_to_its_end_and_no_further(
    length: int, tile: int, overlap: float
) -> None:
    starts = tile_starts(length, tile, overlap)

    assert starts[0] == 0
    assert starts[-1] == max(0, length - tile)
    steps = np.diff(starts)
    assert (steps > 0).all()
    assert (steps <= tile).all()
    # All but the last, which ends with the side, keep the overlap.
    assert (steps[:-1] == max(1, round(tile * (1 - overlap)))).all()


def test_a_third_of_overlap_is_a_stride_of_341_for_512() -> None:
    assert tile_starts(1024, 512, 1 / 3) == [0, 341, 512]


@pytest.mark.parametrize("overlap", [-0.1, 0.91, 1.0, float("nan")])
def test_an_overlap_without_an_end_is_refused(overlap: float) -> None:
    with pytest.raises(InputError, match=r"allowed: 0 to 0\.9 of a tile"):
        check_overlap(overlap)


def network(tiles: Sequence[ImageArray]) -> NDArray[np.float32]:
    """Logits (B, 4, 8, 12) that depend on a whole tile, as attention does: tiles disagree."""
    x = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).float() / 255
    means = F.avg_pool2d(x, 4)
    level = means.mean((2, 3), keepdim=True)
    return torch.cat([means, 1.2 * level.mean(1, keepdim=True).expand(-1, 1, 8, 12)], 1).numpy()


def oracle(picture: ImageArray, overlap: float, *, align_corners: bool) -> torch.Tensor:
    """The mean of all logits (4, H, W), in one array and in double precision."""
    height, width = picture.shape[:2]
    total = torch.zeros(4, height, width, dtype=torch.float64)
    count = torch.zeros(height, width)
    for y in tile_starts(height, 32, overlap):
        for x in tile_starts(width, 48, overlap):
            part = torch.from_numpy(network([picture[y : y + 32, x : x + 48]])).double()
            total[:, y : y + 32, x : x + 48] += F.interpolate(
                part, (32, 48), mode="bilinear", align_corners=align_corners
            )[0]
            count[y : y + 32, x : x + 48] += 1
    return total / count


def noise(height: int, width: int) -> ImageArray:
    small = torch.rand(1, 3, height // 8 + 2, width // 8 + 2, generator=torch.manual_seed(0))
    smooth = F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)
    pixels: ImageArray = (smooth[0].permute(1, 2, 0) * 255).byte().numpy()
    return pixels


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.8])
@pytest.mark.parametrize("size", [(32, 48), (33, 49), (100, 111), (32, 200), (130, 48)], ids=str)
def test_labels_are_those_of_the_mean_logits(
    size: tuple[int, int], overlap: float, *, align_corners: bool
) -> None:
    picture = noise(*size)

    labels = tile_labels(picture, SPEC, network, overlap=overlap, align_corners=align_corners)

    mean = oracle(picture, overlap, align_corners=align_corners)
    assert labels.shape == size
    assert labels.dtype == np.uint8
    best = mean.topk(2, dim=0).values
    # At most 25 tiles are added up, each with the roundings of an interpolation.
    clear = (best[0] - best[1]).numpy() > 32 * 2.0**-24
    assert clear.mean() > 0.99
    assert (labels == mean.argmax(0).numpy())[clear].all()


def test_tiles_come_in_the_networks_batches() -> None:
    batches: list[int] = []

    def counting(tiles: Sequence[ImageArray]) -> NDArray[np.float32]:
        batches.append(len(tiles))
        return network(tiles)

    tile_labels(noise(32, 128), SPEC, counting, overlap=0.0)

    assert batches == [2, 1]


@pytest.mark.parametrize("size", [(20, 30), (20, 100), (70, 30), (1, 1)], ids=str)
def test_a_side_shorter_than_a_tile_is_padded_and_its_padding_gets_no_label(
    size: tuple[int, int],
) -> None:
    seen: list[ImageArray] = []

    def bright(tiles: Sequence[ImageArray]) -> NDArray[np.float32]:
        """Class 1 where the tile is brighter than its padding, at every pixel."""
        seen.extend(tiles)
        light = np.stack(tiles)[..., 0].astype(np.float32) - 101
        return np.stack([-light, light], 1)

    labels = tile_labels(np.full((*size, 3), 200, np.uint8), SPEC, bright)

    assert (labels == np.ones(size)).all()
    for tile in seen:
        assert tile.shape == (32, 48, 3)
        rows, columns = min(32, size[0]), min(48, size[1])
        # A margin of less than 64 pixels is all below, or on the right.
        top, left = 0, 0
        assert (tile[top : top + rows, left : left + columns] == 200).all()
        assert int((tile == 200).sum()) == rows * columns * 3
        assert set(np.unique(tile)) <= {100, 200}


def test_what_is_added_around_an_image_has_the_colours_of_the_tensor() -> None:
    spec = replace(SPEC, colours="BGR", mean=(1.0, 2.0, 3.0))

    padded = pad_image(np.full((2, 2, 3), 9, np.uint8), spec)

    # The tensor's first channel is blue, the image's is red.
    assert padded[-1, -1].tolist() == [3, 2, 1]


def test_memory_is_bounded_by_a_band_and_not_by_the_picture() -> None:
    tall = np.zeros((4096, 48, 3), np.uint8)

    def many(tiles: Sequence[ImageArray]) -> NDArray[np.float32]:
        return np.zeros((len(tiles), 100, 8, 12), np.float32)

    tracemalloc.start()
    tile_labels(tall, SPEC, many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    band, all_at_once = 100 * 32 * 48 * 4, 100 * 4096 * 48 * 4
    assert peak < 4 * band < all_at_once / 20


def test_one_channel_is_class_1_where_its_mean_logit_is_above_0() -> None:
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, 50:] = 255

    def bright(tiles: Sequence[ImageArray]) -> NDArray[np.float32]:
        return np.stack(tiles)[:, None, :, :, 0].astype(np.float32) - 128

    labels = tile_labels(picture, SPEC, bright, overlap=0.5)

    assert (labels == (picture[..., 0] > 128)).all()
