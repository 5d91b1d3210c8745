"""Pairing, reading and scoring labelled images; the models are functions of the image."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import CheckError, ImageError, InputError
from segpp.images.preprocess import ImageArray, prepare
from segpp.runtime.evaluation import evaluate
from segpp.runtime.evaluation.dataset import find_pairs, load_labels, load_pair
from segpp.runtime.inference.session import open_session

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def save(path: Path, pixels: NDArray[Any], **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]  # forwarded options
    return path


def dataset(root: Path, labels: list[NDArray[np.uint8]]) -> tuple[Path, Path]:
    """Images whose red channel is their label: a model can read the truth off them."""
    for i, one in enumerate(labels):
        save(root / "images" / f"{i}.png", np.stack([one, one, one], 2))
        save(root / "labels" / f"{i}.png", one)
    return root / "images", root / "labels"


def perfect(image: ImageArray) -> NDArray[np.uint8]:
    return np.minimum(image[..., 0], 1)


def all_zero(image: ImageArray) -> NDArray[np.uint8]:
    return np.zeros(image.shape[:2], np.uint8)


HALVES = np.array([[0, 0, 1, 1]], np.uint8)
ONES = np.array([[1, 1], [1, 255]], np.uint8)


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


def test_only_one_image_is_read_at_a_time(tmp_path: Path) -> None:
    pairs = find_pairs(*dataset(tmp_path, [HALVES, ONES, HALVES]))
    seen: list[str] = []

    def model(image: ImageArray) -> NDArray[np.uint8]:
        seen.append("model")
        return perfect(image)

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

    assert "1.png is not a label image" in found.skipped[0]


def test_nothing_readable_is_a_failed_check(tmp_path: Path) -> None:
    images, labels = dataset(tmp_path, [HALVES])
    (images / "0.png").write_bytes(b"x")

    with pytest.raises(CheckError, match=r"no image could be evaluated\n.*0.png"):
        evaluate([perfect], find_pairs(images, labels), classes=2)


def test_a_label_that_is_no_class_is_an_error_with_its_file(tmp_path: Path) -> None:
    images, labels = dataset(tmp_path, [HALVES, np.full((1, 4), 7, np.uint8)])

    with pytest.raises(InputError, match=r"1\.png holds the label 7.*\n.*0 to 1\n.*255\n.*7,255"):
        evaluate([perfect], find_pairs(images, labels), classes=2)


def test_a_label_that_is_no_class_can_be_ignored(tmp_path: Path) -> None:
    pairs = find_pairs(*dataset(tmp_path, [np.array([[0, 1, 7, 255]], np.uint8)]))

    found = evaluate([perfect], pairs, classes=2, ignored={7, 255})

    assert found.scores[0].confusion.pixels == 2


def test_different_sizes_of_image_and_label_are_an_error(tmp_path: Path) -> None:
    images, labels = dataset(tmp_path, [HALVES])
    save(labels / "0.png", ONES)

    with pytest.raises(InputError, match=r"different sizes\n  image:  1x4\n  labels: 2x2 in .*0"):
        evaluate([perfect], find_pairs(images, labels), classes=2)


def test_a_model_that_gives_another_size_is_an_error(tmp_path: Path) -> None:
    pairs = find_pairs(*dataset(tmp_path, [HALVES]))

    with pytest.raises(InputError, match=r"labels \(1, 2\) for an image \(1, 4\)"):
        evaluate([lambda image: perfect(image)[:, ::2]], pairs, classes=2)


@pytest.mark.parametrize(("alone", "says"), [("images", "no labels in"), ("labels", "no image in")])
def test_a_file_without_partner_is_an_error(tmp_path: Path, alone: str, says: str) -> None:
    images, labels = dataset(tmp_path, [HALVES])
    save(tmp_path / alone / "extra.png", HALVES)

    with pytest.raises(ImageError, match=f"1 of 2 files have {says} .*\n.*extra.png"):
        find_pairs(images, labels)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"the folder of images .*nowhere does not exist"):
        find_pairs(tmp_path / "nowhere", tmp_path)


def test_cityscapes_names_pair_by_what_they_share(tmp_path: Path) -> None:
    images, labels = tmp_path / "leftImg8bit", tmp_path / "gtFine"
    save(images / "ulm" / "ulm_0_leftImg8bit.png", np.zeros((1, 1, 3), np.uint8))
    for kind in ("labelTrainIds", "labelIds", "color"):
        save(labels / "ulm" / f"ulm_0_gtFine_{kind}.png", np.zeros((1, 1), np.uint8))

    pairs = find_pairs(
        images, labels, image_suffix="_leftImg8bit", label_suffix="_gtFine_labelTrainIds"
    )

    assert [pair.labels.name for pair in pairs] == ["ulm_0_gtFine_labelTrainIds.png"]


def in_palette(path: Path, labels: NDArray[np.uint8]) -> None:
    image = Image.fromarray(labels).convert("L")
    image.putpalette([200, 100, 50, 10, 20, 30, 0, 0, 0, 9, 9, 9])
    image.save(path)


def in_few_bits(bits: int) -> Callable[[Path, NDArray[np.uint8]], None]:
    """Write grey PNGs of 2 or 4 bits, as optimisers do; Pillow cannot."""

    def write(path: Path, labels: NDArray[np.uint8]) -> None:
        from struct import pack  # noqa: PLC0415 - for this one format
        from zlib import compress, crc32  # noqa: PLC0415

        def chunk(kind: bytes, data: bytes) -> bytes:
            return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data))

        height, width = labels.shape
        rows = b""
        for row in labels:
            digits = "".join(f"{value:0{bits}b}" for value in row)
            digits += "0" * (-len(digits) % 8)
            rows += b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big")
        head = chunk(b"IHDR", pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
        body = chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)

    return write


def in_16_bits(path: Path, labels: NDArray[np.uint8]) -> None:
    Image.fromarray(labels.astype(np.uint16)).save(path)


def in_8_bits(path: Path, labels: NDArray[np.uint8]) -> None:
    Image.fromarray(labels).save(path)


@pytest.mark.parametrize(
    "write",
    [in_8_bits, in_16_bits, in_palette, in_few_bits(2), in_few_bits(4)],
    ids=["grey", "16 bits", "palette", "2 bits", "4 bits"],
)
def test_class_numbers_survive_every_way_of_writing_them(
    tmp_path: Path, write: Callable[[Path, NDArray[np.uint8]], None]
) -> None:
    labels = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)
    write(tmp_path / "x.png", labels)

    assert np.array_equal(load_labels(tmp_path / "x.png"), labels)


def test_label_colours_are_not_class_numbers(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", np.zeros((2, 2, 3), np.uint8))

    with pytest.raises(InputError, match=r"colour image \(mode RGB\)") as caught:
        load_labels(path)

    # Not a damaged file, which would merely be skipped.
    assert not isinstance(caught.value, ImageError)


def test_reducing_the_zero_label_counts_down_and_keeps_255_ignored(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", np.array([[0, 1, 150, 255]], np.uint8))

    assert load_labels(path, reduce_zero_label=True).tolist() == [[255, 0, 149, 255]]


def test_a_pair_of_real_photographs_is_read(shared: Path) -> None:
    folder = shared / "camvid" / "val"
    pairs = find_pairs(folder / "images", folder / "labels")

    image, labels = load_pair(pairs[0])

    assert len(pairs) == 101
    assert image.shape == (*labels.shape, 3)
    assert set(np.unique(labels).tolist()) <= set(range(12))


@pytest.mark.slow
@pytest.mark.shared
def test_the_exported_network_scores_as_pytorch_does(
    shared: Path, tmp_path: Path, segpp: Command
) -> None:
    torch = pytest.importorskip("torch")
    from segpp.export.models.segformer.loading import read_checkpoint  # noqa: PLC0415 - needs torch

    checkpoint = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"
    done = segpp("export", checkpoint, tmp_path / "b0.onnx", "--size", "352x480", "--no-check")
    assert done.returncode == 0, done.stderr
    network = read_checkpoint(checkpoint).model()
    said: list[NDArray[Any]] = []

    def pytorch(image: ImageArray) -> NDArray[Any]:
        x = torch.from_numpy(prepare([image], session.input))
        with torch.inference_mode():
            logits = torch.nn.functional.interpolate(network(x), image.shape[:2], mode="bilinear")
        said.append(logits.argmax(1)[0].numpy())
        return said[-1]

    folder = shared / "camvid" / "val"
    pairs = find_pairs(folder / "images", folder / "labels")[:3]
    with open_session(tmp_path / "b0.onnx", threads=1) as session:
        found = evaluate(
            [pytorch, lambda image: session(image).labels[0]], pairs, classes=11, ignored={11}
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
