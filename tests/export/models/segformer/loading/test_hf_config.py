"""What the JSON of a Hugging Face folder says beyond the weights."""

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.hf_config import gelu_of, normalisation_of
from segpp.utils.files import sha256_of
from tests.helpers.checkpoints import theirs


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
    checkpoint = load_checkpoint(folder)

    assert checkpoint.format == "huggingface"
    assert checkpoint.classes
    assert checkpoint.classes.names == ("road", "sky", "car")
    assert checkpoint.size == (512, 640)
    assert checkpoint.mean == (123.675, 116.28, 103.53)
    assert checkpoint.std == (58.395, 57.12, 57.375)
    assert checkpoint.sha256 == sha256_of(folder / "model.safetensors")


def test_the_default_epsilon_of_a_config_is_not_honoured_as_it_is_not_by_them(
    folder: Path,
) -> None:
    assert load_checkpoint(folder).numerics == Numerics(1e-5, 1e-5, 1e-5, 1e-5)


def test_the_tanh_form_of_gelu_is_taken_from_the_config(folder: Path) -> None:
    change_config(folder, hidden_act="gelu_new")

    assert load_checkpoint(folder).numerics.gelu == "tanh"


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


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
        load_checkpoint(folder)


@pytest.mark.parametrize("value", [[], {}, None, 1])
def test_an_activation_that_is_no_name_is_refused(value: object) -> None:
    with pytest.raises(CheckpointError, match="the activation"):
        gelu_of({"hidden_act": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_mean_that_is_no_number_is_refused(value: float) -> None:
    preprocessor = {"image_mean": [value] * 3, "image_std": [1.0] * 3}

    with pytest.raises(CheckpointError, match="a number that is none"):
        normalisation_of(preprocessor, 3)
