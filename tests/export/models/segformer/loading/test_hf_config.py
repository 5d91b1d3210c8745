"""What the JSON of a Hugging Face folder says beyond the weights."""

import json
from pathlib import Path

import pytest

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import Numerics
from segpp.utils.files import sha256_of


def test_a_folder_tells_names_size_and_normalisation(hf_folder: Path) -> None:
    checkpoint = load_checkpoint(hf_folder)

    assert checkpoint.format == "huggingface"
    assert checkpoint.classes
    assert checkpoint.classes.names == ("road", "sky", "car")
    assert checkpoint.size == (512, 640)
    assert checkpoint.mean == (123.675, 116.28, 103.53)
    assert checkpoint.std == (58.395, 57.12, 57.375)
    assert checkpoint.sha256 == sha256_of(hf_folder / "model.safetensors")


def test_the_default_epsilon_of_a_config_is_not_honoured_as_it_is_not_by_them(
    hf_folder: Path,
) -> None:
    assert load_checkpoint(hf_folder).numerics == Numerics(1e-5, 1e-5, 1e-5, 1e-5)


def test_the_tanh_form_of_gelu_is_taken_from_the_config(hf_folder: Path) -> None:
    change_config(hf_folder, hidden_act="gelu_new")

    assert load_checkpoint(hf_folder).numerics.gelu == "tanh"


def change_config(hf_folder: Path, **changes: object) -> None:
    config = json.loads((hf_folder / "config.json").read_text())
    (hf_folder / "config.json").write_text(json.dumps(config | changes))


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
    changes: dict[str, object], says: str, hf_folder: Path
) -> None:
    change_config(hf_folder, **changes)

    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(hf_folder)
