"""What is said about files that are no usable SegFormer checkpoint."""

import os
from pathlib import Path

import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

from segpp.errors import CheckpointError
from segpp.export.models.segformer.loading import read_checkpoint
from tests.helpers.checkpoints import Write, theirs


def onnx_bytes() -> bytes:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [])
    return bytes(helper.make_model(graph, producer_name="test").SerializeToString())


def png_bytes(folder: Path) -> bytes:
    Image.new("RGB", (2, 2)).save(folder / "image.png")
    return (folder / "image.png").read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello\nworld\n", r"x\.pth is text, not a checkpoint"),
        ("ü".encode() * 900, r"is text"),
        (b"<!DOCTYPE html><html>", r"is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", r"(?s)Git LFS pointer.*git lfs pull"),
        (b"\x1f\x8b\x08\x00", r"is a gzip archive"),
        (bytes(range(200, 256)), r"in no known format"),
        (b"", r"x\.pth is empty"),
        (b"\x10\0\0\0\0\0\0\0{" + b"x" * 40, r"is a damaged safetensors file"),
    ],
)
def test_other_files_are_named_by_their_first_bytes(
    content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / "x.pth").write_bytes(content)

    with pytest.raises(CheckpointError, match=says):
        read_checkpoint(tmp_path / "x.pth")


def test_an_onnx_file_and_an_image_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(onnx_bytes())
    (tmp_path / "y.pth").write_bytes(png_bytes(tmp_path))

    with pytest.raises(CheckpointError, match=r"(?s)is an ONNX model.*exported already"):
        read_checkpoint(tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"is a PNG image"):
        read_checkpoint(tmp_path / "y.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint .*absent\.pth does not exist"):
        read_checkpoint(tmp_path / "absent.pth")


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.pth")

    with pytest.raises(CheckpointError, match=r"is a device or a pipe"):
        read_checkpoint(tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], r"(?s)holds no named tensors.*found: a list"),
        ({"epoch": 3}, r"(?s)holds no named tensors.*found: epoch"),
        (
            {"conv1.weight": torch.zeros(1), "layer1.0.bn1.weight": torch.zeros(1)},
            r"(?s)is not a SegFormer that segpp knows.*found: conv1\.weight.*mmsegmentation",
        ),
    ],
)
def test_a_file_without_a_segformer_says_what_it_holds(
    content: object, says: str, write: Write
) -> None:
    with pytest.raises(CheckpointError, match=says):
        read_checkpoint(write(content))


def test_two_tensors_of_one_name_are_refused(write: Write) -> None:
    state = theirs()
    twice = {f"module.{name}": tensor + 1 for name, tensor in state.items()}

    with pytest.raises(CheckpointError, match=r"two tensors for backbone\.layers\.0"):
        read_checkpoint(write(state | twice))


def test_a_half_matching_file_says_how_much_of_what_was_found(write: Write) -> None:
    state = theirs()
    total = len(state)
    missing = [n for n in state if ".1.1.attn" in n or n == "decode_head.convs.2.conv.weight"]
    for name in missing:
        del state[name]

    with pytest.raises(CheckpointError) as error:
        read_checkpoint(write(state))

    assert f"lacks {len(missing)} tensors of a SegFormer" in str(error.value)
    assert f"{total - len(missing)} of {total} tensors found" in str(error.value)
    assert "missing: backbone.layers.1.1.1.attn.attn.in_proj_weight" in str(error.value)
    assert f"and {len(missing) - 3} more" in str(error.value)


@pytest.mark.parametrize("prefix", ["backbone.", ""])
def test_a_pretrained_backbone_is_recognised_as_such(prefix: str, write: Write) -> None:
    state = theirs("nvlabs")
    backbone = {
        prefix + name.removeprefix("backbone."): tensor
        for name, tensor in state.items()
        if name.startswith("backbone.")
    }

    with pytest.raises(CheckpointError, match=r"(?s)encoder without its decode head.*trained for"):
        read_checkpoint(write(backbone), source="nvlabs" if prefix else None)


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
        read_checkpoint(write(theirs() | {name: torch.zeros(shape)}))


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, torch.float8_e4m3fn])
def test_weights_of_another_kind_of_number_are_refused(dtype: torch.dtype, write: Write) -> None:
    name = "backbone.layers.0.1.0.ffn.layers.0.weight"
    state = theirs() | {name: torch.zeros(32, 8, 1, 1).to(dtype)}

    with pytest.raises(CheckpointError, match=r"(?s)holds .*layers\.0\.weight as \w+.*quantised"):
        read_checkpoint(write(state))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_numbers_are_named(value: float, write: Write) -> None:
    state = theirs()
    state["backbone.layers.2.2.bias"][5] = value

    with pytest.raises(CheckpointError, match=r"(?s)NaN or infinity in 1 tensor.*layers\.2\.2\.bi"):
        read_checkpoint(write(state))


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
    with pytest.raises(CheckpointError, match=r"(?s)1 tensor that a SegFormer has no place for"):
        read_checkpoint(write(theirs() | {name: torch.zeros(1)}))


def test_a_tensor_that_pretends_to_be_large_is_refused(write: Write) -> None:
    """Four bytes in the file, 4 TB in memory."""
    state = theirs() | {"decode_head.conv_seg.weight": torch.zeros(1).expand(10**6, 10**6)}

    with pytest.raises(CheckpointError, match=r"does not hold the numbers of decode_h"):
        read_checkpoint(write(state))


def test_a_block_with_an_absurd_number_does_not_make_a_network_of_its_size(write: Write) -> None:
    state = theirs() | {"backbone.layers.0.1.9999.norm1.weight": torch.zeros(8)}

    with pytest.raises(CheckpointError, match=r"lacks \d{1,4} tensors"):
        read_checkpoint(write(state))
