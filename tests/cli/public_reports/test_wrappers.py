"""Checkpoints as trainers wrap them: the one network in them is found, and nothing is dropped.

Each stands for a public report; what is right is what the owner's own code computes.
"""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.cli.public_reports.commands import SAME, agreement, export, mask, refusal, saved
from tests.helpers.commands import in_process
from tests.helpers.reported_networks import (
    Owner,
    hf_network,
    hf_state,
    mmseg_owner,
    mmseg_state,
    picture,
)

State = dict[str, Tensor]

AT_64 = ("--size", "64x64")


def under(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def compiled_parts(state: State) -> State:
    """The names of a model whose two parts ``torch.compile`` wraps."""
    return {name.replace(".", "._orig_mod.", 1): tensor for name, tensor in state.items()}


class TrainConfig:
    """Stands for a user's class, which pickle writes down by name."""

    learning_rate = 1e-4


WRAPPERS: dict[str, tuple[str, Callable[[State], Any]]] = {
    "compiled": ("compiled_parts.pth", compiled_parts),
    "deepspeed": (
        "mp_rank_00_model_states.pt",
        lambda state: {"module": state, "optimizer": None, "ds_version": "0.16"},
    ),
    "net": ("key_net.pth", lambda state: {"net": state, "epoch": 3}),
    "weights": ("key_weights.pth", lambda state: {"weights": state, "epoch": 3}),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_network_gives_the_masks_of_transformers(name: str, tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    network = hf_network()
    file, wrap = WRAPPERS[name]
    checkpoint = saved(wrap(network.state_dict()), tmp_path / file)

    model = export(checkpoint, *AT_64)

    assert agreement(mask(model.file, tmp_path / "a.png"), Owner(network).mask(image)) >= SAME


def test_a_lightning_module_of_any_name_is_found_and_the_rest_named(tmp_path: Path) -> None:
    image, state = picture(tmp_path / "a.png"), mmseg_state()
    beside = {"loss.weight": torch.ones(4), "val_iou.confmat": torch.zeros(4, 4)}
    lightning = {
        "state_dict": under("net.", state) | beside,
        "hyper_parameters": {"lr": 1e-4},
        "pytorch-lightning_version": "2.4.0",
        "loops": {},
    }

    model = export(saved(lightning, tmp_path / "lightning.pth"), *AT_64)

    assert agreement(mask(model.file, tmp_path / "a.png"), mmseg_owner(state).mask(image)) >= SAME
    told = "left out, for training alone: loss.weight (a loss), val_iou.confmat (a metric)"
    assert told in model.said
    assert told in model.manifest.notes


def test_a_class_among_the_hyperparameters_is_not_loaded_and_the_way_out_works(
    tmp_path: Path,
) -> None:
    lightning = {
        "pytorch-lightning_version": "2.5.0",
        "state_dict": under("model.", mmseg_state()),
        "hyper_parameters": {"cfg": TrainConfig(), "lr": 1e-4},
    }
    checkpoint = saved(lightning, tmp_path / "lightning_hparams_class.ckpt")

    said = refusal(checkpoint, *AT_64)

    assert "TrainConfig and was not read" in said
    assert "torch.save(checkpoint['state_dict'], 'weights.pth')" in said

    # What the hint says, where the class is known.
    trusted = torch.load(checkpoint, weights_only=False)  # noqa: TID251 - our own bytes
    weights = saved(trusted["state_dict"], tmp_path / "weights.pth")
    done = in_process("inspect", weights, "--json")
    assert (done.returncode, json.loads(done.stdout)["format"]) == (0, "mmsegmentation")


def test_of_two_networks_the_prefix_chooses(tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    student, teacher = mmseg_state(0), mmseg_state(1)
    both = {"state_dict": under("student.", student) | under("teacher.", teacher)}
    checkpoint = saved(both, tmp_path / "distilled.pth")

    said = refusal(checkpoint, *AT_64)

    assert "they lie under: state_dict.student, state_dict.teacher" in said
    assert "--prefix state_dict.teacher" in said

    model = export(checkpoint, *AT_64, "--prefix", "teacher")

    found = mask(model.file, tmp_path / "a.png")
    assert model.manifest.options["prefix"] == "teacher"
    assert agreement(found, mmseg_owner(teacher).mask(image)) >= SAME
    assert agreement(found, mmseg_owner(student).mask(image)) < 0.9


def test_averaged_weights_are_named_and_taken_on_request(tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    raw, averaged = mmseg_state(0), mmseg_state(1)
    both = {"state_dict": raw, "state_dict_ema": averaged}
    checkpoint = saved(both, tmp_path / "ema.pth")

    chosen = export(checkpoint, *AT_64, "--weights", "ema")

    found = mask(chosen.file, tmp_path / "a.png")
    assert agreement(found, mmseg_owner(averaged).mask(image)) >= SAME
    assert agreement(found, mmseg_owner(raw).mask(image)) < 0.9
    assert "the weights are the averaged ones, state_dict_ema" in chosen.manifest.notes
    assert chosen.manifest.options["weights"] == "ema"


def test_a_layer_in_front_of_the_network_is_refused_unless_it_is_ignored(tmp_path: Path) -> None:
    image, state = picture(tmp_path / "a.png"), mmseg_state()
    adapter = {
        "adapter.weight": torch.eye(3).flip(0)[..., None, None],
        "adapter.bias": torch.tensor([0.8, -0.4, 0.3]),
    }
    checkpoint = saved(under("model.", state) | adapter, tmp_path / "extra_adapter.pth")

    said = refusal(checkpoint, *AT_64)

    assert "found: adapter.weight, adapter.bias" in said
    assert "--ignore-tensors 'adapter.*'" in said

    model = export(checkpoint, *AT_64, "--ignore-tensors", "adapter.*")

    # Without the layer it is another network than the owner's, and the manifest says so.
    assert agreement(mask(model.file, tmp_path / "a.png"), mmseg_owner(state).mask(image)) >= SAME
    told = "left out on request (--ignore-tensors): adapter.weight, adapter.bias"
    assert told in model.manifest.notes
    assert model.manifest.options["ignore_tensors"] == "adapter.*"


def test_a_neck_inside_is_refused_by_name(tmp_path: Path) -> None:
    state = mmseg_state()
    neck = {f"neck.convs.{i}.conv.weight": torch.ones(8, 8, 1, 1) for i in range(4)}

    said = refusal(saved({"state_dict": state | neck}, tmp_path / "mmseg_neck.pth"), *AT_64)

    assert "neck.convs.0.conv.weight" in said


@pytest.mark.parametrize("with_base", [True, False], ids=["beside its base", "alone"])
def test_a_lora_adapter_is_refused_with_the_way_to_merge(
    tmp_path: Path,
    with_base: bool,  # noqa: FBT001 - a case
) -> None:
    folder = tmp_path / "lora"
    folder.mkdir()
    if with_base:
        hf_state(hf_network(), folder)
    rank = {"base_model.model.segformer.x.lora_A.weight": torch.ones(4, 8)}
    save_file(rank, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4}))

    said = refusal(folder, *AT_64)

    assert "LoRA adapter of PEFT" in said
    assert "merge_and_unload()" in said


def test_weights_of_paddle_are_one_true_sentence(tmp_path: Path) -> None:
    arrays = {name: tensor.numpy() for name, tensor in mmseg_state().items()}
    paddle = tmp_path / "segformer_b0.pdparams"
    paddle.write_bytes(pickle.dumps(arrays | {"StructuredToParameterName@@": {}}, protocol=4))

    said = refusal(paddle, *AT_64)

    assert "holds weights of PaddlePaddle, not of PyTorch" in said
    assert "please file an issue" not in said
    assert "cut short" not in said


@pytest.mark.parametrize(
    ("name", "start", "says"),
    [
        ("model.gguf", b"GGUF\x03\0\0\0", "holds a GGUF model, not a PyTorch checkpoint"),
        ("model.h5", b"\x89HDF\r\n\x1a\n", "holds weights of Keras (HDF5), not of PyTorch"),
        ("model.etlt", b"\x93\x01\xff\x7f", "holds an encrypted model of NVIDIA TAO"),
    ],
)
def test_weights_of_other_programs_are_called_what_they_are(
    tmp_path: Path, name: str, start: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(start + bytes(64))

    said = refusal(tmp_path / name, *AT_64)

    assert says in said
    # Before anything is read or imported.
    assert "reading the checkpoint" not in said
