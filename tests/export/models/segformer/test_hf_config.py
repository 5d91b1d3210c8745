"""Hugging Face folders: weights, configuration and preprocessor together."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading import read_checkpoint
from segpp.utils.files import sha256_of
from tests.helpers.checkpoints import MINIATURE, assert_same, ours, theirs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as save_pretrained makes it."""
    made = tmp_path / "hf"
    made.mkdir()
    config = {
        "model_type": "segformer",
        "id2label": {"0": "road", "1": "sky", "2": "car"},
        "num_attention_heads": [1, 2, 5, 8],
        "hidden_act": "gelu",
        "strides": [4, 2, 2, 2],
        "layer_norm_eps": 1e-6,
    }
    preprocessor = {
        "size": {"height": 512, "width": 640},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (made / "config.json").write_text(json.dumps(config))
    (made / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    save_file(theirs("huggingface"), made / "model.safetensors")
    return made


def test_a_folder_tells_names_size_and_normalisation(folder: Path) -> None:
    checkpoint = read_checkpoint(folder)

    assert checkpoint.layout == "huggingface"
    assert checkpoint.classes
    assert checkpoint.classes.names == ("road", "sky", "car")
    assert checkpoint.size == (512, 640)
    assert checkpoint.mean == (123.675, 116.28, 103.53)
    assert checkpoint.std == (58.395, 57.12, 57.375)
    assert checkpoint.sha256 == sha256_of(folder / "model.safetensors")


def test_the_weights_inside_a_folder_are_read_with_its_json(folder: Path) -> None:
    whole, inside = read_checkpoint(folder), read_checkpoint(folder / "model.safetensors")

    assert replace(inside, state={}) == replace(whole, state={})
    assert_same(inside.state, whole.state)


def test_the_default_epsilon_of_a_config_is_not_honoured_as_it_is_not_by_them(
    folder: Path,
) -> None:
    assert read_checkpoint(folder).numerics == Numerics(1e-5, 1e-5, 1e-5, 1e-5)


def test_the_tanh_form_of_gelu_is_taken_from_the_config(folder: Path) -> None:
    change_config(folder, hidden_act="gelu_new")

    assert read_checkpoint(folder).numerics.gelu == "tanh"


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_a_folder_with_a_pickle_is_read(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(theirs("huggingface"), folder / "pytorch_model.bin")

    assert_same(read_checkpoint(folder).state, ours(replace(MINIATURE, head="linear")))


def split(folder: Path) -> None:
    state = theirs("huggingface")
    (folder / "model.safetensors").unlink()
    names = sorted(state)
    parts = {"part-1.safetensors": names[:50], "part-2.safetensors": names[50:]}
    for part, inside in parts.items():
        save_file({name: state[name] for name in inside}, folder / part)
    weight_map = {name: part for part, inside in parts.items() for name in inside}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))


def test_split_weights_are_put_together(folder: Path) -> None:
    split(folder)

    assert_same(read_checkpoint(folder).state, ours(replace(MINIATURE, head="linear")))


def test_an_index_that_points_outside_its_folder_is_refused(folder: Path) -> None:
    split(folder)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))

    with pytest.raises(CheckpointError, match=r"points outside its folder"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "mask2former"}, r"holds the network 'mask2former'"),
        ({"hidden_act": "relu"}, r"the activation 'relu'"),
        ({"strides": [2, 2, 2, 2]}, r"the strides \[2, 2, 2, 2\]"),
        ({"num_attention_heads": [1, 2, 5]}, r"the attention heads as \[1, 2, 5\]"),
        ({"num_attention_heads": [3, 2, 5, 8]}, r"8 channels in stage 1, no multiple of 3 heads"),
    ],
)
def test_a_config_of_another_network_is_refused(
    changes: dict[str, object], says: str, folder: Path
) -> None:
    change_config(folder, **changes)

    with pytest.raises(CheckpointError, match=says):
        read_checkpoint(folder)


def test_a_folder_without_config_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "b0.pth").write_bytes(b"x")

    with pytest.raises(CheckpointError, match=r"(?s)has no config\.json.*it holds: b0\.pth"):
        read_checkpoint(tmp_path)


def test_a_folder_without_weights_names_what_was_expected(folder: Path) -> None:
    (folder / "model.safetensors").unlink()

    with pytest.raises(CheckpointError, match=r"(?s)and no weights.*pytorch_model\.bin"):
        read_checkpoint(folder)
