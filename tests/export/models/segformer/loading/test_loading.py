"""From a checkpoint of any format and wrapping to weights that compute."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import segformer
from segpp.utils.files import sha256_of
from tests.helpers.checkpoints import MINIATURE, Write, assert_same, nvlabs, ours, theirs, told


def test_nvlabs_untrained_classifier_is_reported_and_not_used(write: Write) -> None:
    checkpoint = load_checkpoint(write({"state_dict": nvlabs(), "meta": {}}))

    assert checkpoint.format == "nvlabs"
    assert checkpoint.ignored == ("decode_head.conv_seg.weight", "decode_head.conv_seg.bias")
    assert "decode_head.conv_seg.weight (never trained)" in told(checkpoint)[0]
    assert_same(checkpoint.state, ours(replace(MINIATURE, head="linear")))


def test_the_family_with_nine_channels_keeps_its_own_resolution(write: Write) -> None:
    """Three frames as input, one class, a second head; the resolution is width first."""
    state = {f"model.{n}": t for n, t in theirs(channels=9, classes=1).items()}
    extra = {"visible_classification.weight": torch.zeros(2, 64)}
    info = {"model_name": "segformerpp_b0", "image_resolution": (1920, 1088)}

    checkpoint = load_checkpoint(
        write({"model_state_dict": state | extra, "additional_info": info})
    )

    assert (checkpoint.architecture.channels, checkpoint.architecture.classes) == (9, 1)
    assert checkpoint.ignored == ("visible_classification.weight",)
    assert checkpoint.size == (1088, 1920)


def test_counters_of_batch_norm_may_be_there_or_not(write: Write) -> None:
    counters = {"decode_head.convs.0.bn.num_batches_tracked": torch.tensor(7)}

    checkpoint = load_checkpoint(write(theirs() | counters))

    assert_same(checkpoint.state, ours())
    assert checkpoint.ignored == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_become_float32(dtype: torch.dtype, write: Write) -> None:
    checkpoint = load_checkpoint(write({name: t.to(dtype) for name, t in theirs().items()}))

    assert {tensor.dtype for tensor in checkpoint.state.values()} == {torch.float32}


def test_weights_survive_the_file(write: Write) -> None:
    """They are read from a map of the file, which may be overwritten before they are used."""
    path = write(theirs())
    checkpoint = load_checkpoint(path)
    path.write_bytes(bytes(path.stat().st_size))

    assert_same(checkpoint.state, ours())


def test_the_model_has_the_weights_and_needs_nothing_else(write: Write) -> None:
    model = load_checkpoint(write(theirs())).build()

    with torch.no_grad():
        logits = model(torch.zeros(1, 3, 64, 96))

    assert logits.shape == (1, 3, 16, 24)
    assert not model.training
    assert_same({n: t for n, t in model.state_dict().items() if t.dim()}, ours())


def test_the_real_checkpoint_tells_its_classes(shared: Path) -> None:
    path = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"

    checkpoint = load_checkpoint(path)

    assert checkpoint.format == "mmsegmentation"
    assert checkpoint.architecture == segformer("b0", classes=11)
    assert checkpoint.classes
    assert checkpoint.classes.names[:3] == ("Sky", "Building", "Pole")
    assert checkpoint.classes.palette[3] == (128, 64, 128)
    assert checkpoint.ignored == checkpoint.notes == ()
    assert checkpoint.sha256 == sha256_of(path)
