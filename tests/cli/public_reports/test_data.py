"""Label files and folders as people have them: each beside a twin that works, to the last digit.

Each stands for a public report; the twin is one folder of grey PNGs.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.cli.public_reports.commands import Exported, export, saved, scores
from tests.cli.public_reports.encodings import (
    ENCODINGS,
    PICTURES,
    STATE,
    VOID,
    Labels,
    folder_of,
    png,
    truth,
)
from tests.helpers.commands import in_process
from tests.helpers.reported_networks import mmseg_config, mmseg_state, picture

pytest.importorskip("tifffile", reason="needs tifffile (extra tiff)")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network of four classes."""
    folder = tmp_path_factory.mktemp("data")
    return export(saved({"state_dict": STATE, "meta": mmseg_config()}, folder / "mmseg.pth"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network of two classes."""
    folder = tmp_path_factory.mktemp("two")
    return export(saved(mmseg_state(classes=2), folder / "two.pth"), "--size", "64x64")


@pytest.fixture(scope="module")
def plain(model: Exported, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is scored with grey PNGs."""
    return scores(model.file, "--dataset", folder_of(tmp_path_factory.mktemp("plain") / "d", png))


def same(found: dict[str, Any], plain: dict[str, Any]) -> bool:
    """Return whether two reports are one to the last digit."""
    keys = ("images", "labelled_pixels", "ignored_pixels")
    parts = ("miou", "pixel_accuracy", "iou")
    return all(found[key] == plain[key] for key in keys) and all(
        found["models"][0][part] == plain["models"][0][part] for part in parts
    )


def test_the_twin_is_no_trivial_score(plain: dict[str, Any]) -> None:
    assert 0.4 < plain["models"][0]["miou"] < 0.99
    assert plain["ignored_by_label"] == {"255": 2 * 14 * 64}
    assert plain["left_out"] == 0


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_labels_are_the_numbers_that_are_stored(
    model: Exported, plain: dict[str, Any], tmp_path: Path, encoding: str
) -> None:
    write, flags = ENCODINGS[encoding]

    found = scores(model.file, "--dataset", folder_of(tmp_path / "d", write), *flags)

    assert same(found, plain)


def test_masks_of_black_and_white_are_those_of_0_and_1(two: Exported, tmp_path: Path) -> None:
    masks = [(mask % 2).astype(np.uint8) for mask in truth()]
    zero_one = folder_of(tmp_path / "a", png, masks)
    white = folder_of(tmp_path / "b", png, [mask * 255 for mask in masks])

    one, other = scores(two.file, "--dataset", zero_one), scores(two.file, "--dataset", white)

    assert same(one, other)
    assert other["ignored_pixels"] == 0
    assert "255 is taken for class 1" in other["said"]


def test_masks_of_black_and_white_judge_a_calibration_as_those_of_0_and_1_do(
    two: Exported, tmp_path: Path
) -> None:
    drops = []
    for name, white in (("a", 1), ("b", 255)):
        data = tmp_path / name
        for number in range(10):
            image = picture(seed=number)
            for side, pixels in (("images", image), ("labels", (image[..., 0] > 90) * white)):
                (data / side).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(data / side / f"{number}.png")
        out = ("-o", tmp_path / f"{name}.onnx", "--json", "--no-timing", "--min-agreement", 0)
        done = in_process("calibrate", two.file, data, *out)
        assert done.returncode == 0, done.stderr
        drops.append(json.loads(done.stdout)["drop"])

    assert drops[0] == drops[1]
    assert drops[0]["measure"] == "mIoU"


def test_grey_values_of_no_class_are_refused_without_advice_that_scores_the_background(
    two: Exported, tmp_path: Path
) -> None:
    masks = [np.array([0, 128, 255], np.uint8)[mask % 3] for mask in truth()]

    done = in_process("eval", two.file, "--dataset", folder_of(tmp_path / "d", png, masks))

    assert done.returncode == 2
    assert "they are 128 apart, as grey values of a picture are" in done.stderr
    assert "--ignore" not in done.stderr


def test_much_that_is_ignored_is_told_by_label_and_so_are_classes_that_never_occur(
    model: Exported, tmp_path: Path
) -> None:
    masks = [np.where(mask == 1, 254, 255).astype(np.uint8) for mask in truth()]
    for mask in masks:
        mask[:4] = np.arange(64) % 3

    data = folder_of(tmp_path / "d", png, masks)
    found = scores(model.file, "--dataset", data, "--ignore", "254,255")

    assert set(found["ignored_by_label"]) == {"254", "255"}
    assert "94% of the pixels are ignored, by label 254: " in found["said"]
    assert "no pixel is labelled sky" in found["said"]


def test_labels_of_no_class_alone_are_no_score(model: Exported, tmp_path: Path) -> None:
    masks = [np.full_like(mask, VOID) for mask in truth()]

    done = in_process("eval", model.file, "--dataset", folder_of(tmp_path / "d", png, masks))

    assert (done.returncode, done.stdout) == (1, "")
    assert "no pixel has a label that counts" in done.stderr
    assert "by label: 255: 8,192" in done.stderr


def test_a_class_that_is_left_out_because_its_number_is_255_is_told(tmp_path: Path) -> None:
    model = export(saved(mmseg_state(classes=300), tmp_path / "m.pth"), "--size", "64x64")
    masks = [np.where(mask == 0, VOID, mask).astype(np.uint8) for mask in truth()]
    data = folder_of(tmp_path / "d", png, masks)

    found = scores(model.file, "--dataset", data)
    counting = scores(model.file, "--dataset", data, "--ignore=-1")

    assert "label 255 is class " in found["said"]
    assert found["ignored_pixels"] > 0
    assert "does not count" not in counting["said"]
    assert counting["ignored_pixels"] == 0


def test_linked_folders_and_names_in_two_spellings_are_scored_whole(
    model: Exported, plain: dict[str, Any], tmp_path: Path
) -> None:
    home = folder_of(tmp_path / "home", png)
    for side in ("images", "labels"):
        (tmp_path / "d" / side).mkdir(parents=True)
        (tmp_path / "d" / side / "site").symlink_to(home / side)
    (home / "images" / "0.png").rename(home / "images" / "e\u0301.png")
    (home / "labels" / "0.png").rename(home / "labels" / "\u00e9.png")

    assert same(scores(model.file, "--dataset", tmp_path / "d"), plain)


def test_labels_beside_images_patterns_and_lists_are_one_score(
    model: Exported, plain: dict[str, Any], tmp_path: Path
) -> None:
    for number, (image, mask) in enumerate(zip(PICTURES, truth(), strict=True)):
        (tmp_path / f"r{number}").mkdir()
        Image.fromarray(image).save(tmp_path / f"r{number}" / "x.png")
        Image.fromarray(mask).save(tmp_path / f"r{number}" / "x_L.png")
    Image.fromarray(PICTURES[0]).save(tmp_path / "r0" / "of-nobody.jpg")
    (tmp_path / "list.txt").write_text("r0/x.png r0/x_L.png\nr1/x.png r1/x_L.png\n")
    (tmp_path / "names.txt").write_text("r0/x\nr1/x\n")
    here = ("--images", tmp_path, "--labels", tmp_path, "--label-suffix", "_L")

    for arguments in (
        ("--list", tmp_path / "list.txt"),
        (*here, "--list", tmp_path / "names.txt"),
        ("--images", tmp_path / "*" / "x.png", "--labels", tmp_path / "*" / "x_L.png"),
    ):
        assert same(scores(model.file, *arguments), plain)


# --- data sets by their layouts, against a count of numpy's own


def counted(masks: list[Labels], predicted: list[Labels], classes: int) -> float:
    """Return the mIoU, counted by numpy alone."""
    true, found = (np.concatenate([one.ravel() for one in many]) for many in (masks, predicted))
    kept = true != VOID
    pairs = np.histogram2d(true[kept], found[kept], bins=range(classes + 1))[0]
    both = pairs.diagonal()
    either = pairs.sum(0) + pairs.sum(1) - both
    return float(np.mean(both[either > 0] / either[either > 0]))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network of 19 classes."""
    folder = tmp_path_factory.mktemp("city")
    return export(saved(mmseg_state(classes=19), folder / "city.pth"), "--size", "64x64")


def predicted_by(model: Exported, folder: Path) -> list[Labels]:
    """Return the masks that segpp-run writes."""
    (folder / "in").mkdir(parents=True)
    for number, image in enumerate(PICTURES):
        Image.fromarray(image).save(folder / "in" / f"{number}.png")
    done = in_process("run", model.file, folder / "in", "--out", folder / "out", "--save", "mask")
    assert done.returncode == 0, done.stderr
    return [np.asarray(Image.open(path)) for path in sorted((folder / "out").rglob("*.png"))]


def test_ids_of_cityscapes_are_mapped_by_layout_and_by_name(city: Exported, tmp_path: Path) -> None:
    numbers = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
    draws = np.random.default_rng(0)
    classes = [draws.integers(0, 20, (64, 64)).astype(np.uint8) for _ in PICTURES]
    ids = [np.array([*numbers, 1], np.uint8)[one] for one in classes]
    for number, (image, mask) in enumerate(zip(PICTURES, ids, strict=True)):
        stem = f"ulm_{number}"
        for side, name, pixels in (
            ("leftImg8bit", f"{stem}_leftImg8bit.png", image),
            ("gtFine", f"{stem}_gtFine_labelIds.png", mask),
        ):
            place = tmp_path / "d" / side / "val" / "ulm"
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / name)
    truths = [np.where(one == 19, VOID, one).astype(np.uint8) for one in classes]
    sides = (
        *("--images", tmp_path / "d" / "leftImg8bit", "--image-suffix", "_leftImg8bit"),
        *("--labels", tmp_path / "d" / "gtFine", "--label-suffix", "_gtFine_labelIds"),
    )

    found = scores(city.file, "--dataset", tmp_path / "d")
    named = scores(city.file, *sides, "--label-map", "cityscapes")
    refused = in_process("eval", city.file, *sides)

    expected = counted(truths, predicted_by(city, tmp_path / "run"), 19)
    assert found["models"][0]["miou"] == pytest.approx(expected, abs=1e-12)
    assert same(named, found)
    assert "Cityscapes: val of" in found["said"]
    assert refused.returncode == 2
    assert refused.stderr.rstrip().endswith("hint: --label-map cityscapes")


def test_voc_is_scored_by_its_list(model: Exported, tmp_path: Path) -> None:
    home = tmp_path / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (home / name).mkdir(parents=True)
    for number, (image, mask) in enumerate(zip(PICTURES, truth(), strict=True)):
        Image.fromarray(image).save(home / "JPEGImages" / f"{number}.png")
        Image.fromarray(mask).save(home / "SegmentationClass" / f"{number}.png")
    Image.fromarray(PICTURES[0]).save(home / "JPEGImages" / "unlabelled.jpg")
    (home / "ImageSets" / "Segmentation" / "val.txt").write_text("0\n1\n")

    found = scores(model.file, "--dataset", tmp_path)

    predicted = predicted_by(model, tmp_path / "run")
    assert found["models"][0]["miou"] == pytest.approx(counted(truth(), predicted, 4), abs=1e-12)
    assert found["images"] == 2


def test_the_two_parts_of_loveda_are_one_score(
    model: Exported, plain: dict[str, Any], tmp_path: Path
) -> None:
    for place, image, mask in zip(("Rural", "Urban"), PICTURES, truth(), strict=True):
        for side, pixels in (("images_png", image), ("masks_png", (mask + 1).astype(np.uint8))):
            (tmp_path / "Val" / place / side).mkdir(parents=True)
            Image.fromarray(pixels).save(tmp_path / "Val" / place / side / "1.png")

    assert same(scores(model.file, "--dataset", tmp_path), plain)
    # Whoever names the folder twice is led there.
    twice = in_process("eval", model.file, "--images", tmp_path, "--labels", tmp_path)
    assert twice.returncode == 2
    assert f"hint: name it as one: --dataset {tmp_path}" in twice.stderr


def test_a_number_that_a_layout_leaves_out_is_none_of_the_classes_it_is_mapped_to(
    city: Exported, tmp_path: Path
) -> None:
    """CamVid's labels for a network of Cityscapes' classes, 11 of which is a person."""
    draws = np.random.default_rng(1)
    masks = [draws.integers(0, 12, (64, 64)).astype(np.uint8) for _ in PICTURES]
    for number, (image, mask) in enumerate(zip(PICTURES, masks, strict=True)):
        for side, pixels in (("val", image), ("valannot", mask)):
            (tmp_path / "d" / side).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "d" / side / f"{number}.png")
    classes = [10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 18, VOID]
    lines = (f"{number} {label}\n" for number, label in enumerate(classes))
    (tmp_path / "map.txt").write_text("".join(lines))

    found = scores(city.file, "--dataset", tmp_path / "d", "--label-map", tmp_path / "map.txt")

    truths = [np.array(classes, np.uint8)[mask] for mask in masks]
    expected = counted(truths, predicted_by(city, tmp_path / "run"), 19)
    assert found["models"][0]["miou"] == pytest.approx(expected, abs=1e-12)
    assert set(found["ignored_by_label"]) == {"255"}


@pytest.mark.slow
def test_a_real_data_set_has_one_score_in_every_encoding(shared: Path, tmp_path: Path) -> None:
    """CamVid's pictures with its labels, 11 for no class, rewritten one after the other."""
    home = shared / "camvid" / "unseen"
    checkpoint = tmp_path / "b0.pth"
    checkpoint.symlink_to(shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth")
    b0 = export(checkpoint, "--size", "352x480").file
    # Every sixth: all of them were compared once, and take minutes.
    files = sorted((home / "labels").iterdir())[::6]
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{path.stem}\n" for path in files))
    plain = scores(b0, "--dataset", home, "--list", names, "--ignore", "11,255")
    for encoding, (write, flags) in ENCODINGS.items():
        folder = tmp_path / encoding.replace(",", "")
        (folder / "labels").mkdir(parents=True)
        (folder / "images").symlink_to(home / "images")
        for path in files:
            labels = np.asarray(Image.open(path))
            write(folder / "labels" / path.stem, np.where(labels == 11, VOID, labels))

        found = scores(b0, "--dataset", folder, "--list", names, *(flags or ("--ignore", "255")))

        assert same(found, plain), encoding
        shutil.rmtree(folder / "labels")


def test_pictures_of_more_than_8_bits_are_scored_by_their_white(
    model: Exported, plain: dict[str, Any], tmp_path: Path
) -> None:
    """Twelve bits in sixteen, and the colours in another order, as sensors save them."""
    data = folder_of(tmp_path / "d", png)
    for path in (data / "images").iterdir():
        pixels = np.asarray(Image.open(path)).astype(np.uint16)[..., ::-1]
        twelve = np.ascontiguousarray((pixels.astype(np.uint32) * 4095 + 127) // 255)
        tifffile.imwrite(path.with_suffix(".tif"), twelve.astype(np.uint16), photometric="rgb")
        path.unlink()

    found = scores(model.file, "--dataset", data, "--white", "4095", "--bands", "3,2,1")
    dark = scores(model.file, "--dataset", data, "--bands", "3,2,1")

    assert same(found, plain)
    assert not same(dark, plain)
    assert "--white" in dark["said"]
