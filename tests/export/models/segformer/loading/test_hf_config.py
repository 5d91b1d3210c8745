"""What the JSON of a Hugging Face folder says beyond the weights.

Tests models/_common/hf_settings.py too.
"""

import json
from pathlib import Path

import pytest

from segpp.errors import CheckpointError
from segpp.export.models._common.hf_settings import normalisation_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.hf_config import gelu_of
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


def change_processor(folder: Path, **changes: object) -> None:
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "mean", "std"),
    [
        # As transformers' SegformerImageProcessor takes them: its defaults, one number for all.
        ({"do_normalize": False}, (0.0,) * 3, (255.0,) * 3),
        ({"do_rescale": False}, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ({"image_mean": 0.5, "image_std": 0.5}, (127.5,) * 3, (127.5,) * 3),
        ({"image_mean": [0.5] * 3}, (127.5,) * 3, (58.395, 57.12, 57.375)),
    ],
)
def test_what_the_processor_leaves_out_is_its_default(
    changes: dict[str, object],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    hf_folder: Path,
) -> None:
    path = hf_folder / "preprocessor_config.json"
    left = json.loads(path.read_text())
    del left["image_mean"], left["image_std"]
    path.write_text(json.dumps(left | changes))

    checkpoint = load_checkpoint(hf_folder)

    assert (checkpoint.mean, checkpoint.std) == (mean, std)
    assert checkpoint.origins["mean"] == "config"


def test_a_picture_that_is_not_resized_has_no_fixed_size(hf_folder: Path) -> None:
    change_processor(hf_folder, do_resize=False)

    checkpoint = load_checkpoint(hf_folder)

    assert (checkpoint.size, checkpoint.fit) == (None, None)


@pytest.mark.parametrize("number", [[], {"a": 1}, False, 2.0])
def test_a_filter_that_is_no_number_is_told(number: object, hf_folder: Path) -> None:
    change_processor(hf_folder, resample=number)

    assert any("Pillow's filter" in note for note in load_checkpoint(hf_folder).notes)


def test_a_block_that_is_missing_is_an_error(hf_folder: Path) -> None:
    change_config(hf_folder, depths=[2, 2, 2, 2])

    with pytest.raises(CheckpointError, match=r"1,2,1,1 blocks in its stages, .* says 2,2,2,2"):
        load_checkpoint(hf_folder)


def test_a_class_number_of_thousands_of_digits_is_none(hf_folder: Path) -> None:
    change_config(hf_folder, id2label={"9" * 5000: "far", "0": "road", "1": "car", "2": "sky"})

    checkpoint = load_checkpoint(hf_folder)

    assert checkpoint.classes
    assert checkpoint.classes.names == ("road", "car", "sky")


def test_the_new_name_of_reduced_labels_counts(hf_folder: Path) -> None:
    change_processor(hf_folder, do_reduce_labels=False, reduce_labels=True)

    assert not load_checkpoint(hf_folder).reduce_labels


def test_a_fixed_size_stretches_and_a_short_edge_does_not(hf_folder: Path) -> None:
    fixed = load_checkpoint(hf_folder)
    change_processor(hf_folder, size={"shortest_edge": 250})
    short = load_checkpoint(hf_folder)

    assert (fixed.size, fixed.fit) == ((512, 640), "stretch")
    # 250 and 500, each to the nearest multiple of 32.
    assert (short.size, short.fit) == ((256, 512), "letterbox")
    assert "fixes the shorter side alone, at 250: 256x512" in (short.size_note or "")
    assert fixed.size_note is None


@pytest.mark.parametrize(
    ("number", "resize"),
    [(0, "pillow-nearest"), (2, "pillow-bilinear"), (3, "pillow-bicubic"), (1, None)],
)
def test_the_filter_is_followed_or_told(number: int, resize: str | None, hf_folder: Path) -> None:
    change_processor(hf_folder, resample=number)

    checkpoint = load_checkpoint(hf_folder)

    assert checkpoint.resize == resize
    assert any("Pillow's filter 1" in note for note in checkpoint.notes) is (resize is None)


def test_labels_that_count_from_one_are_known(hf_folder: Path) -> None:
    before = load_checkpoint(hf_folder).reduce_labels
    change_processor(hf_folder, do_reduce_labels=True)

    assert not before
    assert load_checkpoint(hf_folder).reduce_labels


def test_names_with_a_gap_in_their_numbers_are_kept_where_they_fit(hf_folder: Path) -> None:
    change_config(hf_folder, id2label={"0": "road", "2": "car", "7": "sky"})

    checkpoint = load_checkpoint(hf_folder)

    assert checkpoint.classes
    assert checkpoint.classes.names == ("road", "class 1", "car")
    assert any("7 (sky)" in note for note in checkpoint.notes)


def test_the_processor_of_a_trainer_lies_one_folder_up(hf_folder: Path) -> None:
    checkpoint_folder = hf_folder / "checkpoint-500"
    checkpoint_folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (hf_folder / name).rename(checkpoint_folder / name)

    checkpoint = load_checkpoint(checkpoint_folder)

    assert checkpoint.size == (512, 640)
    assert checkpoint.mean == (123.675, 116.28, 103.53)
    assert any("preprocessor_config.json one folder up" in note for note in checkpoint.notes)


@pytest.mark.parametrize("value", [[], {}, None, 1])
def test_an_activation_that_is_no_name_is_refused(value: object) -> None:
    with pytest.raises(CheckpointError, match="the activation"):
        gelu_of({"hidden_act": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_mean_that_is_no_number_is_refused(value: float) -> None:
    preprocessor = {"image_mean": [value] * 3, "image_std": [1.0] * 3}

    with pytest.raises(CheckpointError, match="a number that is none"):
        normalisation_of(preprocessor, 3, processor="Segformer")
