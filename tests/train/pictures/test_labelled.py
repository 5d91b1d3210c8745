"""Tests pictures/labelled.py and augmented_pair: labels lie under the very pixels they are of."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segpp.manifest import InputSpec
from segpp.train.pictures.augment import augmented, augmented_pair
from segpp.train.pictures.batches import Batches
from segpp.train.pictures.labelled import LabelReader
from segpp.train.pictures.reading import Reader

Fit = Literal["stretch", "letterbox", "crop"]
Labels = NDArray[np.int32]


def spec(height: int, width: int, fit: Fit = "letterbox") -> InputSpec:
    shape = (1, 3, height, width)
    mean, std = (0.0,) * 3, (1.0,) * 3
    return InputSpec("image", shape, "float32", "NCHW", "RGB", mean, std, fit=fit)


class Red:
    """The labels of a picture are what its red channel says, at twice its size."""

    calls = 0

    def labels(self, picture: Path) -> Labels:
        self.calls += 1
        red = np.asarray(Image.open(picture))[:, :, 0].astype(np.int32) // 50
        return red.repeat(2, 0).repeat(2, 1)


def blocks(path: Path) -> Path:
    """Write 4x6 blocks of 16 pixels, each of one red of 0, 50, 100, 150 or 200."""
    reds = np.random.default_rng(0).integers(0, 5, (4, 6), dtype=np.uint8) * 50
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :, 0] = reds.repeat(16, 0).repeat(16, 1)
    Image.fromarray(picture).save(path)
    return path


def test_a_picture_and_its_labels_are_cut_and_mirrored_alike() -> None:
    labels = np.random.default_rng(1).integers(0, 5, (40, 60), dtype=np.int32)
    picture = np.zeros((40, 60, 3), np.uint8)
    for seed in range(20):
        draws = [np.random.default_rng(seed) for _ in range(2)]
        picture[:, :, 0] = labels * 50

        made, own = augmented_pair(picture, labels, draws[0])

        assert np.array_equal(made, augmented(picture, draws[1]))
        # Light and tint change reds and keep their order.
        reds = [np.unique(made[:, :, 0][own == label]) for label in range(5)]
        assert all(len(values) == 1 for values in reds)


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        ("stretch", [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]),
        ("letterbox", [[0, 0, 1, 1], [2, 2, 3, 3], [-1] * 4, [-1] * 4]),
        ("crop", [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]),
    ],
)
def test_labels_lie_where_the_picture_lies_in_the_input(
    fit: Fit, expected: list[list[int]]
) -> None:
    labels = np.array([[0, 0, 0, 0, 1, 1, 1, 1], [2, 2, 2, 2, 3, 3, 3, 3]], np.int32)
    labels = labels.repeat(2, 0)

    made = LabelReader(Red(), spec(4, 4, fit)).as_input(labels)

    assert made.tolist() == expected


def test_a_crop_shows_the_middle() -> None:
    labels = np.arange(8, dtype=np.int32)[None].repeat(4, 0)

    made = LabelReader(Red(), spec(4, 4, "crop")).as_input(labels)

    assert made.tolist() == [[2, 3, 4, 5]] * 4


def test_a_batch_has_the_labels_of_its_images(tmp_path: Path) -> None:
    path, own = blocks(tmp_path / "a.png"), spec(64, 96)
    red = Red()
    batches = Batches([path], Reader(own), 3, seed=7, labels=LabelReader(red, own))

    images, labels = batches.at(2)

    assert labels is not None
    assert (images.shape, labels.shape, labels.dtype) == ((3, 3, 64, 96), (3, 64, 96), np.int64)
    assert red.calls == 1
    for image, label in zip(images, labels, strict=True):
        # Pixels between two blocks are mixed; of all others the nearest red is the label's.
        reds = [np.median(image[0][label == one]) for one in range(5)]
        counted = label >= 0
        nearest = np.abs(image[0][..., None] - np.array(reds)).argmin(-1)
        assert (nearest == label)[counted].mean() > 0.9


def test_processes_have_the_labels_of_their_part(film: Callable[..., Path]) -> None:
    paths, own = sorted(film().iterdir()), spec(64, 64)

    whole = Batches(paths, Reader(own), 4, seed=7, labels=LabelReader(Red(), own)).at(2)
    parts = [
        Batches(paths, Reader(own), 4, 7, rank, 2, LabelReader(Red(), own)).at(2)
        for rank in range(2)
    ]

    halves = [part.labels for part in parts if part.labels is not None]
    assert whole.labels is not None
    assert np.array_equal(whole.labels, np.concatenate(halves))
