"""What lies on the disk is read, or named for what it is."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import load_file, save_file

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from tests.helpers.checkpoints import MINIATURE, assert_same, ours, theirs


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
        load_checkpoint(tmp_path / "x.pth")


def test_an_onnx_file_and_an_image_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(onnx_bytes())
    (tmp_path / "y.pth").write_bytes(png_bytes(tmp_path))

    with pytest.raises(CheckpointError, match=r"(?s)is an ONNX model.*exported already"):
        load_checkpoint(tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"is a PNG image"):
        load_checkpoint(tmp_path / "y.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint .*absent\.pth does not exist"):
        load_checkpoint(tmp_path / "absent.pth")


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.pth")

    with pytest.raises(CheckpointError, match=r"is a device or a pipe"):
        load_checkpoint(tmp_path / "x.pth")


def test_the_weights_inside_a_folder_are_read_with_its_json(hf_folder: Path) -> None:
    whole, inside = load_checkpoint(hf_folder), load_checkpoint(hf_folder / "model.safetensors")

    assert replace(inside, state={}) == replace(whole, state={})
    assert_same(inside.state, whole.state)


def test_a_folder_with_a_pickle_is_read(hf_folder: Path) -> None:
    (hf_folder / "model.safetensors").unlink()
    torch.save(theirs("huggingface"), hf_folder / "pytorch_model.bin")

    assert_same(load_checkpoint(hf_folder).state, ours(replace(MINIATURE, head="linear")))


def split(hf_folder: Path) -> None:
    state = theirs("huggingface")
    (hf_folder / "model.safetensors").unlink()
    names = sorted(state)
    parts = {"part-1.safetensors": names[:50], "part-2.safetensors": names[50:]}
    for part, inside in parts.items():
        save_file({name: state[name] for name in inside}, hf_folder / part)
    weight_map = {name: part for part, inside in parts.items() for name in inside}
    index = hf_folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))


def test_split_weights_are_put_together(hf_folder: Path) -> None:
    split(hf_folder)

    assert_same(load_checkpoint(hf_folder).state, ours(replace(MINIATURE, head="linear")))


def test_an_index_that_points_outside_its_folder_is_refused(hf_folder: Path) -> None:
    split(hf_folder)
    index = hf_folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))

    with pytest.raises(CheckpointError, match=r"points outside its folder"):
        load_checkpoint(hf_folder)


def test_a_folder_without_config_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "b0.pth").write_bytes(b"x")

    with pytest.raises(CheckpointError, match=r"(?s)has no config\.json.*it holds: b0\.pth"):
        load_checkpoint(tmp_path)


def test_a_folder_without_weights_names_what_was_expected(hf_folder: Path) -> None:
    (hf_folder / "model.safetensors").unlink()

    with pytest.raises(CheckpointError, match=r"(?s)and no weights.*pytorch_model\.bin"):
        load_checkpoint(hf_folder)


def test_a_tensor_in_two_parts_is_refused(hf_folder: Path) -> None:
    split(hf_folder)
    first = next(iter(load_file(hf_folder / "part-1.safetensors")))
    part = hf_folder / "part-2.safetensors"
    save_file(load_file(part) | {first: load_file(hf_folder / "part-1.safetensors")[first]}, part)

    with pytest.raises(CheckpointError, match="1 tensors in two of its parts"):
        load_checkpoint(hf_folder)


def test_newer_parts_beside_a_whole_file_are_told(hf_folder: Path) -> None:
    whole = hf_folder / "model.safetensors"
    content = whole.read_bytes()
    split(hf_folder)
    whole.write_bytes(content)
    os.utime(whole, (1, 1))

    assert any(
        "model.safetensors is read, and model.safetensors.index.json beside it is newer" in note
        for note in load_checkpoint(hf_folder).notes
    )
