"""Labels as data sets have them: in colour, of another size, from 1 on, reduced; and windows.

Each stands for a public report; the labels are what the owner's own code computes, so that the
right reading of them scores 1.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

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
from tests.helpers.reported_networks import (
    NAMES,
    PALETTE,
    Owner,
    hf_network,
    hf_state,
    mmseg_config,
    mmseg_owner,
    mmseg_state,
    picture,
    smp_network,
)

Labels = NDArray[np.uint8]

STATE = mmseg_state()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network with the names, colours, heads and size of its training configuration."""
    folder = tmp_path_factory.mktemp("labels")
    return export(saved({"state_dict": STATE, "meta": mmseg_config()}, folder / "mmseg.pth"))


def dataset(folder: Path, image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Path:
    """One picture and its labels."""
    for kind, array in (("images", image), ("labels", labels)):
        (folder / kind).mkdir(parents=True)
        Image.fromarray(array).save(folder / kind / "a.png")
    return folder


def test_labels_in_the_palettes_colours_are_read_by_the_manifest(
    model: Exported, tmp_path: Path
) -> None:
    expected = mmseg_owner(STATE).mask(picture())
    painted = np.array(PALETTE, np.uint8)[expected]

    [scored] = scores(model.file, "--dataset", dataset(tmp_path, picture(), painted))["models"]

    assert scored["pixel_accuracy"] >= SAME
    assert scored["miou"] >= 0.99


def test_an_unknown_colour_is_named_with_its_pixel(model: Exported, tmp_path: Path) -> None:
    painted = np.array(PALETTE, np.uint8)[mmseg_owner(STATE).mask(picture())]
    painted[7, 5] = (1, 2, 3)

    done = in_process("eval", model.file, "--dataset", dataset(tmp_path, picture(), painted))

    assert done.returncode == 2
    assert "the colour 1 2 3 of no class, first at row 7, column 5" in done.stderr


def test_labels_of_half_the_size_are_scored_at_theirs(model: Exported, tmp_path: Path) -> None:
    half = mmseg_owner(STATE).mask(picture(), (32, 32))

    found = scores(model.file, "--dataset", dataset(tmp_path, picture(), half))

    assert found["labelled_pixels"] == 32 * 32
    assert found["models"][0]["pixel_accuracy"] >= SAME


def test_labels_from_1_on_are_told_with_the_way_out(model: Exported, tmp_path: Path) -> None:
    from_one = mmseg_owner(STATE).mask(picture()) + 1
    data = dataset(tmp_path, picture(), from_one.astype(np.uint8))

    done = in_process("eval", model.file, "--dataset", data)

    assert done.returncode == 2
    assert "--label-offset -1" in done.stderr

    [scored] = scores(model.file, "--dataset", data, "--label-offset", "-1")["models"]

    assert scored["pixel_accuracy"] >= SAME


@pytest.fixture(scope="module")
def reducing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Exported, Owner]:
    """A Hugging Face folder with ``do_reduce_labels`` and the shortest edge alone."""
    folder, network = tmp_path_factory.mktemp("hf") / "hf_reduce", hf_network()
    hf_state(network, folder)
    processor = {
        "size": {"shortest_edge": 64},
        "do_reduce_labels": True,
        "rescale_factor": 1 / 127.5,
        "image_mean": [1.0, 1.0, 1.0],
        "image_std": [1.0, 1.0, 1.0],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return export(folder), Owner(network, mean=(127.5,) * 3, std=(127.5,) * 3)


def test_reduced_labels_count_from_1_and_0_is_ignored(
    reducing: tuple[Exported, Owner], tmp_path: Path
) -> None:
    model, owner = reducing
    image = picture(size=(64, 128))
    stored = owner.mask(image) + 1
    stored[:8] = 0

    found = scores(model.file, "--dataset", dataset(tmp_path, image, stored.astype(np.uint8)))

    assert model.manifest.classes.reduce_labels
    assert found["labelled_pixels"] == 56 * 128
    assert found["models"][0]["pixel_accuracy"] >= SAME
    assert "label 0" in found["said"]


def test_a_shortest_edge_becomes_a_size_of_that_edge_with_a_note(
    reducing: tuple[Exported, Owner], tmp_path: Path
) -> None:
    model, _ = reducing

    spec = model.manifest.input
    assert (spec.height, spec.width, spec.fit) == (64, 128, "letterbox")
    assert model.manifest.origins["size"] == "config"
    assert "the processor fixes the shorter side alone, at 64: 64x128 is one shape" in model.said
    assert "one shape of many" in in_process("inspect", model.checkpoint).stdout
    said = in_process("inspect", model.checkpoint, "--size", "64x128").stdout
    assert "one shape of many" not in said
    chosen = export(model.checkpoint, "--size", "64x128", out=tmp_path / "chosen.onnx")
    assert "one shape of many" not in chosen.said


def test_labels_in_the_file_align_the_corners_where_the_owner_does(tmp_path: Path) -> None:
    image, network = picture(tmp_path / "a.png"), smp_network()
    checkpoint = saved(network.state_dict(), tmp_path / "smp0.pth")

    model = export(checkpoint, "--size", "64x64", "--outputs", "labels")

    # Theirs come at the size of the picture; the head's own are a quarter of it.
    logits = Owner(network).logits(image)
    assert logits.shape == (1, len(NAMES), 64, 64)
    found = mask(model.file, tmp_path / "a.png")
    assert agreement(found, logits[0].argmax(0).numpy().astype(np.uint8)) >= SAME
    network.segmentation_head = network.segmentation_head[0]
    assert agreement(found, Owner(network).mask(image)) < 0.99
    assert model.manifest.outputs[0].kind == "labels"


# --- pictures larger than the network -----------------------------------------------------------


def windows(image: NDArray[np.uint8], starts: list[int]) -> Labels:
    """Logits of windows of 64 columns, resized to their pixels and averaged, as mmsegmentation."""
    owner = mmseg_owner(STATE)
    sums, counts = np.zeros((len(NAMES), *image.shape[:2])), np.zeros(image.shape[1])
    for start in starts:
        seen = slice(start, start + 64)
        logits = F.interpolate(owner.logits(image[:, seen]), (64, 64), mode="bilinear")
        sums[:, :, seen] += logits[0].numpy()
        counts[seen] += 1
    labels: Labels = (sums / counts).argmax(0).astype(np.uint8)
    return labels


@pytest.mark.parametrize(
    ("flags", "starts"),
    [
        (("--tile", "--overlap", "0"), [0, 64]),
        # A third of 64 in common is a stride of 43; the last window ends with the picture.
        (("--protocol", "slide"), [0, 43, 64]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_windows_are_scored_as_the_owner_slides_them(
    model: Exported, tmp_path: Path, flags: tuple[str, ...], starts: list[int]
) -> None:
    image = picture(size=(64, 128))
    data = dataset(tmp_path, image, windows(image, starts))

    [scored] = scores(model.file, "--dataset", data, *flags)["models"]
    [whole] = scores(model.file, "--dataset", data)["models"]

    assert scored["pixel_accuracy"] >= SAME
    assert whole["pixel_accuracy"] < 0.9
    if "--tile" in flags:
        found = mask(model.file, data / "images" / "a.png", *flags)
        assert agreement(found, windows(image, starts)) >= SAME
