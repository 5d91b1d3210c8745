"""Networks of one class, of grey pictures and of bands beside the colours, from export to score.

Each stands for a public report; what is right is what the owner's own code computes.
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segpp.export.images import MADE
from tests.cli.public_reports.commands import (
    SAME,
    Exported,
    agreement,
    export,
    mask,
    saved,
    scores,
)
from tests.helpers.commands import in_process
from tests.helpers.reported_networks import Owner, mmseg_owner, mmseg_state, picture

AT_64 = ("--size", "64x64")
# As ImageNet's: of no channel in particular.
GRAY = (116.0,), (57.0,)
RGBD = (123.675, 116.28, 103.53, 90.0), (58.395, 57.12, 57.375, 60.0)


def flags(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[str, ...]:
    return ("--mean", ",".join(map(str, mean)), "--std", ",".join(map(str, std)))


def labelled(folder: Path, name: str, image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Path:
    """A data set of one picture and its labels."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    if name.endswith(".npy"):
        np.save(folder / "images" / name, image)
    else:
        Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(
            folder / "images" / name
        )
    Image.fromarray(labels).save(folder / "labels" / f"{Path(name).stem}.png")
    return folder / "images" / name


# --- one output channel -------------------------------------------------------------------------


def test_one_class_is_a_sigmoid_in_every_place_where_labels_are_made(tmp_path: Path) -> None:
    state = mmseg_state(2, classes=1)
    image = picture()
    expected = mmseg_owner(state).mask(image)
    seen = labelled(tmp_path / "data", "a.png", image, expected)

    model = export(saved(state, tmp_path / "oneclass.pth"), *AT_64, "--outputs", "both")

    assert 0.1 < expected.mean() < 0.9
    assert ", 1 class, " in model.said
    for output in ("logits", "labels"):
        assert agreement(mask(model.file, seen, "--output-name", output), expected) >= SAME
        found = scores(model.file, "--dataset", tmp_path / "data", "--output-name", output)
        [scored] = found["models"]
        assert scored["pixel_accuracy"] >= SAME
        assert scored["miou"] >= 0.99
    assert model.manifest.architecture.classes == 1
    assert model.manifest.classes.names == ("background", "foreground")


# --- one and four input channels ----------------------------------------------------------------


@pytest.fixture(scope="module")
def gray(tmp_path_factory: pytest.TempPathFactory) -> tuple[Exported, Owner]:
    state = mmseg_state(1, channels=1)
    path = saved(state, tmp_path_factory.mktemp("gray") / "gray.pth")
    return export(path, *AT_64, *flags(*GRAY)), mmseg_owner(state, mean=GRAY[0], std=GRAY[1])


@pytest.fixture(scope="module")
def rgbd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Exported, Owner]:
    state = mmseg_state(1, channels=4)
    path = saved(state, tmp_path_factory.mktemp("rgbd") / "rgbd.pth")
    return export(path, *AT_64, *flags(*RGBD)), mmseg_owner(state, mean=RGBD[0], std=RGBD[1])


@pytest.mark.parametrize(
    ("kind", "name"),
    [("gray", "a.npy"), ("gray", "a.png"), ("gray", "a.tif"), ("rgbd", "a.npy"), ("rgbd", "a.tif")],
)
def test_other_channels_are_exported_checked_run_and_scored(
    kind: str, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model, owner = request.getfixturevalue(kind)
    image = picture(channels=1 if kind == "gray" else 4, seed=8)
    expected = owner.mask(image)
    seen = labelled(tmp_path, name, image, expected)

    found = mask(model.file, seen)
    [scored] = scores(model.file, "--dataset", tmp_path)["models"]

    assert len(np.unique(expected)) > 1
    assert agreement(found, expected) >= SAME
    assert scored["pixel_accuracy"] >= SAME
    # The check is made, on an image of so many channels, and said.
    parity = model.manifest.parity
    assert parity is not None
    assert (parity.image, parity.pixel_agreement) == (MADE, 1.0)
    assert f"made image of {image.shape[2]} channel(s), not a photograph" in model.said
    assert "bundled picture" not in model.said


def test_a_grey_network_takes_pictures_in_colour_with_a_message(
    gray: tuple[Exported, Owner], tmp_path: Path
) -> None:
    model, owner = gray
    image = picture(tmp_path / "a.png")
    # ITU-R 601, as Pillow's own "L" has it.
    luma = np.asarray(Image.fromarray(image).convert("L"))[..., None]

    done = in_process("run", model.file, tmp_path / "a.png", "--out", tmp_path / "a.overlay.png")

    assert "pictures in colour are converted" in done.stderr
    assert agreement(mask(model.file, tmp_path / "a.png"), owner.mask(luma)) >= SAME


def test_a_picture_of_three_channels_is_refused_by_a_network_of_four(
    rgbd: tuple[Exported, Owner], tmp_path: Path
) -> None:
    picture(tmp_path / "a.png")

    done = in_process("run", rgbd[0].file, tmp_path / "a.png", "--out", tmp_path / "o.png")

    assert done.returncode == 2
    assert "has 3 channels, and the network takes 4" in done.stderr
    assert "as .npy or TIFF" in done.stderr
