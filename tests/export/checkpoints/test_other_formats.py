"""A checkpoint of another kind is told for what it is, with the way out of it."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from tests.helpers.checkpoints import Write, theirs


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("b0.pdparams", b"\x80\x04.", "PaddlePaddle(.|\n)*as tensors in Python"),
        ("b0.gguf", b"GGUF\x03\0\0\0", "a GGUF model"),
        ("b0.etlt", bytes(range(200, 256)), "an encrypted model of NVIDIA TAO"),
        ("b0.h5", b"\x89HDF\r\n\x1a\n", "weights of Keras(.|\n)*from_tf=True"),
    ],
)
def test_other_frameworks_are_named(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(tmp_path / name)


def test_a_program_of_torch_export_is_named(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(program, tmp_path / "b0.pt2")

    with pytest.raises(CheckpointError, match=r"is a program of torch\.export, not a ch"):
        load_checkpoint(tmp_path / "b0.pt2")


def test_encrypted_weights_are_named(write: Write) -> None:
    path = write({"state_dict": b"\x01\x02", "state_dict_encrypted": True, "epoch": 1})

    with pytest.raises(CheckpointError, match="holds encrypted weights, as NVIDIA TAO"):
        load_checkpoint(path)


@pytest.mark.parametrize("part", ["weight_fake_quant.scale", "activation_post_process.min_val"])
def test_a_network_prepared_for_8_bits_is_named(part: str, write: Write) -> None:
    state = theirs() | {f"backbone.layers.0.1.0.ffn.layers.0.{part}": torch.ones(1)}

    with pytest.raises(CheckpointError, match=r"for quantisation(.|\n)*in floating point"):
        load_checkpoint(write(state))


@pytest.mark.parametrize("place", ["beside its base", "alone"])
def test_a_lora_adapter_is_refused_with_the_way_to_merge(
    place: str, hf_folder: Path, tmp_path: Path
) -> None:
    folder = hf_folder if place == "beside its base" else tmp_path / "adapter"
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    save_file({"base.q.lora_A.weight": torch.zeros(4, 8)}, folder / "adapter_model.safetensors")

    for path in (folder, folder / "adapter_model.safetensors"):
        with pytest.raises(CheckpointError, match=r"LoRA adapter of PEFT(.|\n)*merge_and_unload"):
            load_checkpoint(path)


def test_a_newer_file_beside_the_weights_is_told(hf_folder: Path) -> None:
    used, newer = hf_folder / "model.safetensors", hf_folder / "pytorch_model.bin"
    torch.save(theirs("huggingface"), newer)
    os.utime(used, (1_000_000, 1_000_000))

    assert any(
        "model.safetensors is read, and pytorch_model.bin beside it is newer" in note
        for note in load_checkpoint(hf_folder).notes
    )
    assert not any("newer" in note for note in load_checkpoint(newer).notes)
