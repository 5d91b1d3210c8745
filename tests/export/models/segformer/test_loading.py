"""Checkpoints of every layout and wrapping, and what is said about those that cannot be used."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import HEADS, SIZES, segformer
from segpp.export.models.segformer.loading import read_checkpoint
from segpp.export.models.segformer.loading.formats import LAYOUTS
from segpp.export.models.segformer.loading.infer_architecture import architecture_of, expected_by
from segpp.images.palette import default_palette
from segpp.utils.files import sha256_of
from tests.helpers.checkpoints import AMBIGUOUS, MINIATURE, Write, assert_same, nvlabs, ours, theirs


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {*AMBIGUOUS, "nvlabs"}))
def test_a_layout_is_recognised_by_its_names(layout: str, write: Write) -> None:
    checkpoint = read_checkpoint(write(theirs(layout)))

    assert checkpoint.layout == layout
    assert checkpoint.numerics == LAYOUTS[layout].numerics
    assert checkpoint.architecture == replace(MINIATURE, head=LAYOUTS[layout].head)
    assert_same(checkpoint.state, ours(checkpoint.architecture))
    assert (checkpoint.classes, checkpoint.ignored, checkpoint.notes) == (None, (), ())


def test_nvlabs_untrained_classifier_is_reported_and_not_used(write: Write) -> None:
    checkpoint = read_checkpoint(write({"state_dict": nvlabs(), "meta": {}}))

    assert checkpoint.layout == "nvlabs"
    assert checkpoint.ignored == ("decode_head.conv_seg.weight", "decode_head.conv_seg.bias")
    assert_same(checkpoint.state, ours(replace(MINIATURE, head="linear")))


def test_names_that_several_codebases_share_need_a_source(write: Write) -> None:
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(write(theirs("bubbliiiing")))

    assert "could be from bubbliiiing, nvlabs or sithu31296" in str(error.value)
    assert "bubbliiiing: block_norm_eps 1e-06, stage_norm_eps 1e-06, gelu tanh" in str(error.value)
    assert "hint: say whose code trained it: --checkpoint-format bubbliiiing" in str(error.value)


@pytest.mark.parametrize("source", AMBIGUOUS)
def test_a_source_decides_on_the_numerics(source: str, write: Write) -> None:
    checkpoint = read_checkpoint(write(theirs(source)), source=source)

    assert (checkpoint.layout, checkpoint.numerics) == (source, LAYOUTS[source].numerics)


def test_a_source_that_does_not_fit_is_an_error(write: Write) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)has none of the names of smp.*leave the sourc"):
        read_checkpoint(write(theirs("huggingface")), source="smp")


def test_an_unknown_source_is_an_error_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)unknown source 'nvlab'.*'nvlabs'"):
        read_checkpoint(tmp_path / "absent.pth", source="nvlab")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_published_size_is_told_from_names_and_shapes(layout: str, size: str) -> None:
    decoder = 768 if LAYOUTS[layout].head == "linear" and size > "b1" else 256
    expected = segformer(size, classes=19, head=LAYOUTS[layout].head, decoder=decoder)
    tensors = expected_by(LAYOUTS[layout], expected)

    assert architecture_of(LAYOUTS[layout], tensors, HEADS, Path("x")) == expected


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "optimizer": {"state": {}}},
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"model_state_dict": state},
        lambda state: {"state_dict": {f"module.{name}": t for name, t in state.items()}},
        lambda state: {f"_orig_mod.module.{name}": t for name, t in state.items()},
        lambda state: {name: torch.nn.Parameter(t) for name, t in state.items()},
    ],
)
def test_wrappers_and_prefixes_come_off(
    wrap: Callable[[dict[str, Tensor]], dict[str, Any]], write: Write
) -> None:
    checkpoint = read_checkpoint(write(wrap(theirs())))

    assert_same(checkpoint.state, ours())
    assert not any(tensor.requires_grad for tensor in checkpoint.state.values())


def test_averaged_copies_and_other_heads_are_reported_and_not_used(write: Write) -> None:
    extra = {"ema_backbone_layers_0": torch.zeros(1), "auxiliary_head.conv_seg.bias": torch.ones(2)}

    checkpoint = read_checkpoint(write({"state_dict": theirs() | extra}))

    assert set(checkpoint.ignored) == set(extra)


def test_the_family_with_nine_channels_keeps_its_own_resolution(write: Write) -> None:
    """Three frames as input, one class, a second head; the resolution is width first."""
    state = {f"model.{n}": t for n, t in theirs(channels=9, classes=1).items()}
    extra = {"visible_classification.weight": torch.zeros(2, 64)}
    info = {"model_name": "segformerpp_b0", "image_resolution": (1920, 1088)}

    checkpoint = read_checkpoint(
        write({"model_state_dict": state | extra, "additional_info": info})
    )

    assert (checkpoint.architecture.channels, checkpoint.architecture.classes) == (9, 1)
    assert checkpoint.ignored == ("visible_classification.weight",)
    assert checkpoint.size == (1088, 1920)


def test_counters_of_batch_norm_may_be_there_or_not(write: Write) -> None:
    counters = {"decode_head.convs.0.bn.num_batches_tracked": torch.tensor(7)}

    checkpoint = read_checkpoint(write(theirs() | counters))

    assert_same(checkpoint.state, ours())
    assert checkpoint.ignored == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_become_float32(dtype: torch.dtype, write: Write) -> None:
    checkpoint = read_checkpoint(write({name: t.to(dtype) for name, t in theirs().items()}))

    assert {tensor.dtype for tensor in checkpoint.state.values()} == {torch.float32}


def test_weights_survive_the_file(write: Write) -> None:
    """They are read from a map of the file, which may be overwritten before they are used."""
    path = write(theirs())
    checkpoint = read_checkpoint(path)
    path.write_bytes(bytes(path.stat().st_size))

    assert_same(checkpoint.state, ours())


def test_the_model_has_the_weights_and_needs_nothing_else(write: Write) -> None:
    model = read_checkpoint(write(theirs())).model()

    with torch.no_grad():
        logits = model(torch.zeros(1, 3, 64, 96))

    assert logits.shape == (1, 3, 16, 24)
    assert not model.training
    assert_same({n: t for n, t in model.state_dict().items() if t.dim()}, ours())


def test_the_real_checkpoint_tells_its_classes(shared: Path) -> None:
    path = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"

    checkpoint = read_checkpoint(path)

    assert checkpoint.layout == "mmsegmentation"
    assert checkpoint.architecture == segformer("b0", classes=11)
    assert checkpoint.classes
    assert checkpoint.classes.names[:3] == ("Sky", "Building", "Pole")
    assert checkpoint.classes.palette[3] == (128, 64, 128)
    assert checkpoint.ignored == checkpoint.notes == ()
    assert checkpoint.sha256 == sha256_of(path)


MMSEG_1 = {"dataset_meta": {"classes": ("a", "b", "c"), "palette": [[1, 2, 3], [4, 5, 6], [7] * 3]}}
MMSEG_0 = {"CLASSES": ["a", "b", "c"], "PALETTE": [[1, 2, 3], [4, 5, 6], [7, 7, 7]]}


@pytest.mark.parametrize("meta", [MMSEG_0, MMSEG_1])
def test_both_generations_of_mmsegmentation_tell_names_and_colours(
    meta: dict[str, Any], write: Write
) -> None:
    classes = read_checkpoint(write({"state_dict": theirs(), "meta": meta})).classes

    assert classes
    assert classes.names == ("a", "b", "c")
    assert classes.palette == ((1, 2, 3), (4, 5, 6), (7, 7, 7))


def test_names_without_colours_get_default_colours(write: Write) -> None:
    meta = {"CLASSES": ("a", "b", "c"), "PALETTE": None}

    classes = read_checkpoint(write({"state_dict": theirs(), "meta": meta})).classes

    assert classes
    assert classes.palette == default_palette(3)


@pytest.mark.parametrize(
    "meta",
    [
        {"CLASSES": ("a", "b")},
        {"CLASSES": "abc"},
        {"PALETTE": [[1, 2, 3], [4, 5, 6], [7, 8, 900]]},
        {"PALETTE": [[1, 2], [4, 5], [7, 8]]},
    ],
)
def test_names_and_colours_that_do_not_fit_are_noted_and_not_used(
    meta: dict[str, Any], write: Write
) -> None:
    checkpoint = read_checkpoint(write({"state_dict": theirs(), "meta": meta}))

    assert checkpoint.classes is None
    [note] = checkpoint.notes
    assert "do not fit its 3 classes: not used" in note


def test_the_training_configuration_tells_size_and_normalisation(write: Write) -> None:
    text = (
        "crop_size = (512, 1024)\n"
        "img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])\n"
        "train_pipeline = [dict(type='RandomCrop', crop_size=(512, 1024))]"
    )

    checkpoint = read_checkpoint(write({"state_dict": theirs(), "meta": {"config": text}}))

    assert checkpoint.size == (512, 1024)
    assert checkpoint.mean == (123.675, 116.28, 103.53)
    assert checkpoint.std == (58.395, 57.12, 57.375)
