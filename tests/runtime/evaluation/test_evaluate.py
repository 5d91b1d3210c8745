"""Scoring labelled images; the models are functions of the image."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segpp.datasets.pairs import find_pairs, load_labels
from segpp.errors import CheckError, InputError
from segpp.images.preprocess import ImageArray, prepare
from segpp.runtime.evaluation import evaluate
from segpp.runtime.inference.open_session import open_session
from tests.helpers.datasets import dataset, save

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def perfect(image: ImageArray, _size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.minimum(image[..., 0], 1)


def all_zero(_image: ImageArray, size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.zeros(size, np.uint8)


HALVES = np.array([[0, 0, 1, 1]], np.uint8)
ONES = np.array([[1, 1], [1, 255]], np.uint8)
CROPPED = np.array([[255, 0, 1, 255]], np.uint8)
CROPPED_ZERO = np.array([[255, 0, 0, 255]], np.uint8)


def test_scores_add_up_over_images_of_different_sizes(tmp_path: Path) -> None:
    pairs = find_pairs(*dataset(tmp_path, [HALVES, ONES]))

    found = evaluate([perfect, all_zero], pairs, classes=2)

    # 7 counted pixels, 2 of class 0; the second model says 0 everywhere.
    assert [score.confusion.pixels for score in found.scores] == [7, 7]
    assert [score.confusion.miou for score in found.scores] == [1.0, (2 / 7 + 0) / 2]
    assert [score.confusion.pixel_accuracy for score in found.scores] == [1.0, 2 / 7]
    # Agreement is over all 8 pixels, the ignored one too.
    assert [score.agreement for score in found.scores] == [1.0, 2 / 8]
    assert found.images == 2


def test_pixels_outside_of_a_crop_are_no_agreement(tmp_path: Path) -> None:
    pairs = find_pairs(*dataset(tmp_path, [HALVES]))

    found = evaluate([lambda *_: CROPPED, lambda *_: CROPPED_ZERO], pairs, classes=2, unseen=255)

    # Of the two pixels that were seen one agrees; the two outside do not count.
    assert [score.agreement for score in found.scores] == [1.0, 1 / 2]


def test_only_one_image_is_read_at_a_time(tmp_path: Path) -> None:
    pairs = find_pairs(*dataset(tmp_path, [HALVES, ONES, HALVES]))
    seen: list[str] = []

    def model(image: ImageArray, size: tuple[int, int]) -> NDArray[np.uint8]:
        seen.append("model")
        return perfect(image, size)

    evaluate([model], pairs, classes=2, after_each=lambda: seen.append("done"))

    assert seen == ["model", "done"] * 3


def test_a_damaged_image_is_skipped_and_told_of(tmp_path: Path) -> None:
    # Large enough that half of the file ends within the pixels.
    noise = np.random.default_rng(0).integers(0, 2, (60, 60), np.uint8)
    images, labels = dataset(tmp_path, [noise, ONES])
    whole = (images / "0.png").read_bytes()
    (images / "0.png").write_bytes(whole[: len(whole) // 2])

    found = evaluate([perfect], find_pairs(images, labels), classes=2)

    assert found.images == 1
    assert len(found.skipped) == 1
    assert "0.png is damaged" in found.skipped[0]


def test_a_damaged_label_is_skipped_too(tmp_path: Path) -> None:
    images, labels = dataset(tmp_path, [HALVES, ONES])
    (labels / "1.png").write_bytes(b"not an image at all")

    found = evaluate([perfect], find_pairs(images, labels), classes=2)

    assert "1.png is not an image" in found.skipped[0]


def test_nothing_readable_is_a_failed_check(tmp_path: Path) -> None:
    images, labels = dataset(tmp_path, [HALVES])
    (images / "0.png").write_bytes(b"x")

    with pytest.raises(CheckError, match=r"no image could be evaluated\n.*0.png"):
        evaluate([perfect], find_pairs(images, labels), classes=2)


def test_a_label_that_is_no_class_is_an_error_with_its_file(tmp_path: Path) -> None:
    images, labels = dataset(tmp_path, [HALVES, np.full((1, 4), 7, np.uint8)])

    with pytest.raises(
        InputError,
        match=r"1\.png holds the label 7.*\n.*0 to 1\n.*255\n.*0, 1, 7\n.*--label-map FILE",
    ):
        evaluate([perfect], find_pairs(images, labels), classes=2)


def test_a_label_that_is_no_class_can_be_ignored(tmp_path: Path) -> None:
    pairs = find_pairs(*dataset(tmp_path, [np.array([[0, 1, 7, 255]], np.uint8)]))

    found = evaluate([perfect], pairs, classes=2, ignored={7, 255})

    assert found.scores[0].confusion.pixels == 2
    assert found.ignored_pixels == 2


def test_labels_of_other_proportions_than_the_image_are_an_error(tmp_path: Path) -> None:
    images, labels = dataset(tmp_path, [HALVES])
    save(labels / "0.png", np.zeros((6, 2), np.uint8))

    with pytest.raises(InputError, match=r"proportions\n  image:  1x4\n  labels: 6x2 in .*0"):
        evaluate([perfect], find_pairs(images, labels), classes=2)


def test_labels_of_another_size_are_scored_at_theirs(tmp_path: Path) -> None:
    images, labels = dataset(tmp_path, [np.zeros((6, 8), np.uint8)])
    small = np.array([[0, 0, 1, 1], [0, 0, 1, 255], [0, 1, 1, 1]], np.uint8)
    save(labels / "0.png", small)
    asked: list[tuple[int, int]] = []

    def model(image: ImageArray, size: tuple[int, int]) -> NDArray[np.uint8]:
        assert image.shape == (6, 8, 3)
        asked.append(size)
        return np.minimum(small, 1)

    found = evaluate([model, all_zero], find_pairs(images, labels), classes=2)

    assert asked == [(3, 4)]
    assert [score.confusion.pixel_accuracy for score in found.scores] == [1.0, 5 / 11]
    assert found.ignored_pixels == 1


def test_a_model_that_gives_another_size_is_an_error(tmp_path: Path) -> None:
    pairs = find_pairs(*dataset(tmp_path, [HALVES]))

    with pytest.raises(InputError, match=r"labels \(1, 2\) where \(1, 4\) are known"):
        evaluate([lambda image, size: perfect(image, size)[:, ::2]], pairs, classes=2)


@pytest.mark.slow
@pytest.mark.shared
def test_the_exported_network_scores_as_pytorch_does(
    shared: Path, tmp_path: Path, segpp: Command
) -> None:
    torch = pytest.importorskip("torch")
    from segpp.export.models.loading import load_checkpoint  # noqa: PLC0415 - needs torch

    checkpoint = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"
    options = ("--size", "352x480", "--fit", "stretch", "--no-check")
    done = segpp("export", checkpoint, tmp_path / "b0.onnx", *options)
    assert done.returncode == 0, done.stderr
    network = load_checkpoint(checkpoint).build()
    said: list[NDArray[Any]] = []

    def pytorch(image: ImageArray, _size: tuple[int, int]) -> NDArray[Any]:
        x = torch.from_numpy(prepare([image], session.input))
        with torch.inference_mode():
            logits = torch.nn.functional.interpolate(network(x), image.shape[:2], mode="bilinear")
        said.append(logits.argmax(1)[0].numpy())
        return said[-1]

    folder = shared / "camvid" / "val"
    pairs = find_pairs(folder / "images", folder / "labels")[:3]
    with open_session(tmp_path / "b0.onnx", threads=1) as session:
        found = evaluate(
            [pytorch, lambda image, _size: session(image).masks[0]],
            pairs,
            classes=11,
            ignored={11},
        )

    truth = np.stack([load_labels(pair.labels) for pair in pairs])
    counted = truth != 11
    both = [np.sum((np.stack(said) == k) & (truth == k) & counted) for k in range(11)]
    either = [np.sum(((np.stack(said) == k) | (truth == k)) & counted) for k in range(11)]
    assert found.scores[0].confusion.iou.tolist() == [
        b / e if e else pytest.approx(np.nan, nan_ok=True)
        for b, e in zip(both, either, strict=True)
    ]
    # Only pixels whose two best logits are nearly equal may differ.
    assert found.scores[1].agreement >= 0.999
    # Such a pixel moves an IoU by less than 1 / union, and rare classes have unions of a thousand.
    assert abs(found.scores[1].confusion.miou - found.scores[0].confusion.miou) < 0.002
