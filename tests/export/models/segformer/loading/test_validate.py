"""A state dict that is no whole and healthy SegFormer is refused, with what is wrong about it.

Tests checkpoints/training_only.py and models/_common/tensors.py too.
"""

import pytest
import torch

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from tests.helpers.checkpoints import Write, theirs


def test_a_half_matching_file_says_how_much_of_what_was_found(write: Write) -> None:
    state = theirs()
    total = len(state)
    missing = [n for n in state if ".1.1.attn" in n or n == "decode_head.convs.2.conv.weight"]
    for name in missing:
        del state[name]

    with pytest.raises(CheckpointError) as error:
        load_checkpoint(write(state))

    assert f"lacks {len(missing)} tensors of a SegFormer" in str(error.value)
    assert f"{total - len(missing)} of {total} tensors found" in str(error.value)
    assert "missing: backbone.layers.1.1.1.attn.attn.in_proj_weight" in str(error.value)
    assert f"and {len(missing) - 3} more" in str(error.value)


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        (
            "backbone.layers.0.1.0.attn.attn.in_proj_weight",
            (24, 9),
            r"in_proj_weight: expected \(24, 8\), found \(24, 9\)",
        ),
        ("backbone.layers.0.1.0.ffn.layers.0.weight", (32, 8), r"expected \(32, 8, 1, 1\), found"),
        ("decode_head.fusion_conv.conv.weight", (12, 47, 1, 1), r"expected \(12, 48, 1, 1\)"),
        ("backbone.layers.0.0.projection.weight", (8,), r"expected 4 dimensions .* found \(8,\)"),
        ("decode_head.conv_seg.weight", (0, 12, 1, 1), r"expected 4 dimensions"),
    ],
)
def test_a_wrong_shape_is_named_with_the_expected_one(
    name: str, shape: tuple[int, ...], says: str, write: Write
) -> None:
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(write(theirs() | {name: torch.zeros(shape)}))


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, torch.float8_e4m3fn])
def test_weights_of_another_kind_of_number_are_refused(dtype: torch.dtype, write: Write) -> None:
    name = "backbone.layers.0.1.0.ffn.layers.0.weight"
    state = theirs() | {name: torch.zeros(32, 8, 1, 1).to(dtype)}

    with pytest.raises(CheckpointError, match=r"(?s)holds .*layers\.0\.weight as \w+.*quantised"):
        load_checkpoint(write(state))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_numbers_are_named(value: float, write: Write) -> None:
    state = theirs()
    state["backbone.layers.2.2.bias"][5] = value

    with pytest.raises(CheckpointError, match=r"(?s)NaN or infinity in 1 tensor.*layers\.2\.2\.bi"):
        load_checkpoint(write(state))


@pytest.mark.parametrize(
    "name",
    [
        "backbone.layers.0.1.0.attn.gate.weight",
        "backbone.layers.4.0.projection.weight",
        "backbone.layers.3.1.0.attn.sr.weight",
        "decode_head.convs.4.conv.weight",
    ],
)
def test_a_changed_network_is_not_taken_for_a_plain_one(name: str, write: Write) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)1 tensor that the network has no place for"):
        load_checkpoint(write(theirs() | {name: torch.zeros(1)}))


def test_a_tensor_that_pretends_to_be_large_is_refused(write: Write) -> None:
    """Four bytes in the file, 4 TB in memory."""
    state = theirs() | {"decode_head.conv_seg.weight": torch.zeros(1).expand(10**6, 10**6)}

    with pytest.raises(CheckpointError, match=r"does not hold the numbers of decode_h"):
        load_checkpoint(write(state))


def test_a_neck_between_backbone_and_head_is_not_dropped(write: Write) -> None:
    neck = {f"neck.convs.{i}.conv.weight": torch.eye(8)[:, :, None, None] for i in range(4)}

    with pytest.raises(CheckpointError) as error:
        load_checkpoint(write(theirs() | neck))

    assert "4 tensors that the network has no place for" in str(error.value)
    assert "found: neck.convs.0.conv.weight" in str(error.value)
    assert "--ignore-tensors 'neck.*'" in str(error.value)


@pytest.mark.parametrize("name", ["auxiliary_head.conv.weight", "loss.weight", "iou.confmat"])
def test_what_serves_training_alone_is_left_out_with_a_note(name: str, write: Write) -> None:
    checkpoint = load_checkpoint(write(theirs() | {name: torch.zeros(3)}))

    assert checkpoint.ignored == (name,)
    [note] = [note for note in checkpoint.notes if "left out" in note]
    assert name in note


@pytest.mark.parametrize("name", ["decode_head.metric.weight", "backbone.aux_head.weight"])
def test_inside_the_network_such_a_name_is_a_changed_network(name: str, write: Write) -> None:
    with pytest.raises(CheckpointError, match="1 tensor that the network has no place for"):
        load_checkpoint(write(theirs() | {name: torch.zeros(3)}))


def test_blocks_with_a_gap_in_their_numbers_are_an_error(write: Write) -> None:
    state = {
        name.replace("layers.1.1.1.", "layers.1.1.2."): tensor for name, tensor in theirs().items()
    }

    with pytest.raises(CheckpointError, match=r"missing: backbone\.layers\.1\.1\.1\."):
        load_checkpoint(write(state))
