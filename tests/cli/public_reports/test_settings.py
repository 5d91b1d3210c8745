"""What no weight shows - heads, means, colours, filters - is read, or said and given by a flag.

Each stands for a public report; what is right is what the owner's own code computes.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from tests.cli.public_reports.commands import SAME, agreement, export, mask, refusal, saved
from tests.helpers.reported_networks import (
    HEADS,
    IMAGENET,
    NAMES,
    PALETTE,
    Owner,
    hf_network,
    hf_state,
    labels_of,
    mmseg_config,
    mmseg_owner,
    mmseg_state,
    normalized,
    picture,
)

AT_64 = ("--size", "64x64")
# Twice the heads of the widths, and a normalisation of somebody's own.
WIDE, DOUBLE = (16, 32, 80, 128), (2, 4, 10, 16)
MEAN, STD = (90.1, 95.2, 88.3), (40.0, 41.0, 42.0)


def text(values: tuple[float, ...]) -> str:
    return ",".join(map(str, values))


# --- mmsegmentation -----------------------------------------------------------------------------


def bgr_of_1x() -> dict[str, Any]:
    return mmseg_config(IMAGENET[0][::-1], IMAGENET[1][::-1], bgr=True)


def bgr_of_0x() -> dict[str, Any]:
    mean, std = (list(values[::-1]) for values in IMAGENET)
    config = f"img_norm_cfg = dict(mean={mean}, std={std}, to_rgb=False)\n"
    return {"CLASSES": NAMES, "PALETTE": PALETTE, "mmseg_version": "0.30.0", "config": config}


@pytest.mark.parametrize("meta", [bgr_of_1x, bgr_of_0x], ids=["1.x", "0.x"])
def test_a_network_of_bgr_gives_its_masks_from_rgb(meta: Any, tmp_path: Path) -> None:
    image, state = picture(tmp_path / "a.png"), mmseg_state()
    checkpoint = saved({"state_dict": state, "meta": meta()}, tmp_path / "bgr.pth")

    model = export(checkpoint, *AT_64)

    mean, std = (values[::-1] for values in IMAGENET)
    found = mask(model.file, tmp_path / "a.png")
    assert agreement(found, mmseg_owner(state, mean=mean, std=std, bgr=True).mask(image)) >= SAME
    assert agreement(found, mmseg_owner(state).mask(image)) < 0.9
    assert model.manifest.input.colours == "RGB"
    assert "trained on BGR" in model.said


def test_heads_and_the_mean_that_counts_are_those_of_the_configuration(tmp_path: Path) -> None:
    image, state = picture(tmp_path / "a.png"), mmseg_state(widths=WIDE)
    meta = mmseg_config(MEAN, STD, heads=DOUBLE, stale=IMAGENET[0], mode="slide")
    checkpoint = saved({"state_dict": state, "meta": meta}, tmp_path / "mmseg_two_means.pth")

    model = export(checkpoint)

    found = mask(model.file, tmp_path / "a.png")
    assert agreement(found, mmseg_owner(state, DOUBLE, mean=MEAN, std=STD).mask(image)) >= SAME
    assert agreement(found, mmseg_owner(state, HEADS, mean=MEAN, std=STD).mask(image)) < 0.9
    assert agreement(found, mmseg_owner(state, DOUBLE).mask(image)) < 0.9
    origins = model.manifest.origins
    assert [origins[key] for key in ("heads", "mean", "std", "colors")] == ["config"] * 4
    assert "img_norm_cfg beside it has others" in model.said
    assert "tests with a sliding window: segpp-eval --protocol slide" in model.said


def test_the_default_heads_of_mmsegmentation_are_read(tmp_path: Path) -> None:
    image, state, heads = picture(tmp_path / "a.png"), mmseg_state(1), (1, 2, 4, 8)
    checkpoint = saved(
        {"state_dict": state, "meta": mmseg_config(heads=heads)}, tmp_path / "mmseg_heads_1248.pth"
    )

    found = mask(export(checkpoint).file, tmp_path / "a.png")

    assert agreement(found, mmseg_owner(state, heads).mask(image)) >= SAME
    assert agreement(found, mmseg_owner(state).mask(image)) < 0.9


# --- nothing tells ------------------------------------------------------------------------------


def test_what_is_given_by_flags_counts_and_is_called_given(tmp_path: Path) -> None:
    image, state, heads = picture(tmp_path / "a.png"), mmseg_state(1), (1, 2, 4, 8)
    flags = (
        "--heads", text(heads), "--mean", text(MEAN), "--std", text(STD), "--colors", "bgr",
    )  # fmt: skip

    model = export(saved(state, tmp_path / "bare.pth"), *AT_64, *flags)

    # Means are told in the order of the file, which takes RGB; the owner's are in that of his.
    given = {"mean": MEAN[::-1], "std": STD[::-1], "bgr": True}
    found = mask(model.file, tmp_path / "a.png")
    assert agreement(found, mmseg_owner(state, heads, **given).mask(image)) >= SAME
    without = [
        mmseg_owner(state, HEADS, **given),
        mmseg_owner(state, heads, **{**given, "mean": IMAGENET[0][::-1]}),
        mmseg_owner(state, heads, **{**given, "std": IMAGENET[1][::-1]}),
        mmseg_owner(state, heads, mean=MEAN, std=STD),
    ]
    assert [agreement(found, owner.mask(image)) < 0.95 for owner in without] == [True] * 4
    origins = model.manifest.origins
    assert {key for key, origin in origins.items() if origin == "given"} == {
        "heads", "mean", "std", "colors", "size",
    }  # fmt: skip
    assert "assumed, since neither checkpoint nor caller tells: --fit letterbox\n" in model.said


def test_what_nobody_tells_is_said_and_stands_in_the_manifest(tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    network = hf_network(1, num_attention_heads=[1, 1, 2, 4])
    owner = Owner(network)
    lone = tmp_path / "hf_heads_renamed.safetensors"
    save_file(hf_state(network, tmp_path / "hf"), lone)

    bare = export(lone, *AT_64)
    told = export(lone, *AT_64, "--heads", "1,1,2,4", out=tmp_path / "told.onnx")

    assert agreement(mask(bare.file, tmp_path / "a.png"), owner.mask(image)) < 0.9
    assert agreement(mask(told.file, tmp_path / "a.png"), owner.mask(image)) >= SAME
    assert "tells: --mean 123.675,116.28,103.53, --std 58.395,57.12,57.375, --fit" in bare.said
    assert "1,2,5,8 are assumed" in bare.said
    assert "are no published ones and nothing tells the attention heads" in bare.said
    keys = ("heads", "mean", "std", "colors", "fit")
    assert [bare.manifest.origins[key] for key in keys] == ["assumed"] * 5
    assert told.manifest.origins["heads"] == "given"


def test_the_owners_own_numbers_refuse_a_wrong_reading(tmp_path: Path) -> None:
    state = mmseg_state(widths=WIDE)
    x = normalized(picture(), *IMAGENET)
    logits = mmseg_owner(state, DOUBLE).logits(picture())
    np.savez(tmp_path / "owner.npz", x=x.numpy(), logits=logits.numpy())
    checkpoint = saved(state, tmp_path / "mmseg_heads_double.pth")
    reference = ("--reference", tmp_path / "owner.npz")

    said = refusal(checkpoint, *AT_64, *reference, code=1)

    assert "--heads" in said

    model = export(checkpoint, *AT_64, *reference, "--heads", text(DOUBLE))

    found = model.manifest.reference
    assert found is not None
    assert (found.file, found.pixel_agreement, found.unmerged_agreement) == ("owner.npz", 1.0, 1.0)
    assert "owner.npz" in model.said


# --- Hugging Face -------------------------------------------------------------------------------


def a_trainers_folder(root: Path, network: Any) -> Path:
    """``checkpoint-500``: the processor lies above, a newer file beside, and a name is missing."""
    folder = root / "hf_trainer" / "checkpoint-500"
    weights = hf_state(network, folder)
    newer = {name: tensor + 1 for name, tensor in weights.items()}
    torch.save(newer, folder / "pytorch_model.bin")
    os.utime(folder / "model.safetensors", (1, 1))
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "road", "1": "car", "2": "tree", "7": "sky"}
    (folder / "config.json").write_text(json.dumps(config))
    processor = {
        "size": {"height": 64, "width": 64},
        "resample": 3,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder.parent / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def resized(image: NDArray[np.uint8], how: Image.Resampling) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((64, 64), how))


def test_a_trainers_folder_is_followed_or_told(tmp_path: Path) -> None:
    image, network = picture(tmp_path / "a.png", size=(80, 100)), hf_network()
    owner = Owner(network, mean=(127.5,) * 3, std=(127.5,) * 3)

    model = export(a_trainers_folder(tmp_path, network), out=tmp_path / "trainer.onnx")

    # What transformers does: Pillow's bicubic filter to 64x64, whatever the shape.
    found = mask(model.file, tmp_path / "a.png")
    cubic, linear = (
        labels_of(owner.logits(resized(image, how)), image.shape[:2])
        for how in (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR)
    )
    assert agreement(found, cubic) >= SAME
    assert agreement(found, linear) < SAME
    assert model.manifest.classes.names == ("road", "car", "tree", "class 3")
    for told in (
        "from preprocessor_config.json one folder up",
        "model.safetensors is read, and pytorch_model.bin beside it is newer",
        "config.json does not name every class; numbers beyond the 4: 7 (sky)",
    ):
        assert told in model.said
    assert model.manifest.origins["resize"] == "config"


# --- the picture's shape ------------------------------------------------------------------------


def test_the_fit_that_is_given_is_the_files(tmp_path: Path) -> None:
    state, image = mmseg_state(), picture(tmp_path / "a.png", size=(64, 128))
    owner = mmseg_owner(state)

    model = export(saved(state, tmp_path / "fit.pth"), *AT_64, "--fit", "crop")

    # The middle at the picture's own resolution, and no class beside it.
    found = mask(model.file, tmp_path / "a.png")
    assert agreement(found[:, 32:96], owner.mask(image[:, 32:96])) >= SAME
    assert (found[:, :32] == 255).all()
    assert (found[:, 96:] == 255).all()
    assert (model.manifest.input.fit, model.manifest.origins["fit"]) == ("crop", "given")

    # Other fits of the same file: the whole picture in 64x64.
    stretched = labels_of(owner.logits(resized(image, Image.Resampling.BILINEAR)), (64, 128))
    assert agreement(mask(model.file, tmp_path / "a.png", "--fit", "stretch"), stretched) >= SAME

    # In its own shape, above a field of the mean colour.
    found = mask(model.file, tmp_path / "a.png", "--fit", "letterbox")
    assert agreement(found, owner.letterboxed(image)) >= SAME
