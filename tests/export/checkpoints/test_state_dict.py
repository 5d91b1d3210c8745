"""The named tensors of one network come out of whatever they are wrapped in.

Tests checkpoints/mappings.py, checkpoints/networks.py, checkpoints/averaged.py and
checkpoints/choices.py too.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from tests.helpers.checkpoints import Write, assert_same, ours, theirs, told

State = dict[str, Tensor]


def under(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def compiled(state: State) -> State:
    parts = ("backbone.", "decode_head.")
    return {name.replace(part, f"{part}_orig_mod.", 1): state[name]
            for name in state for part in parts if name.startswith(part)}  # fmt: skip


def doubled(state: State) -> State:
    return {name: tensor * 2 for name, tensor in state.items()}


def read(path: Any, **choices: Any) -> Checkpoint:
    return load_checkpoint(path, choices=ReadChoices(**choices))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"model_state_dict": state},
        lambda state: {"net": state, "epoch": 3},
        lambda state: {"weights": state, "epoch": 3},
        lambda state: {"module": state, "optimizer": None, "ds_version": "0.16"},
        lambda state: {"a": {"b": {"whatever": state}}},
        lambda state: [state],
        lambda state: {"state_dict": under("module.", state)},
        lambda state: {"state_dict": under("net.", state), "pytorch-lightning_version": "2.4.0"},
        lambda state: under("module.model.segmentor.", state),
        lambda state: under("_orig_mod.module.", state),
        compiled,
        lambda state: {name: torch.nn.Parameter(t) for name, t in state.items()},
        lambda state: {"state_dict": state, "model": dict(state)},
    ],
)
def test_wrappers_and_prefixes_come_off(wrap: Callable[[State], Any], write: Write) -> None:
    checkpoint = load_checkpoint(write(wrap(theirs())))

    assert_same(checkpoint.state, ours())
    assert told(checkpoint) == ()
    assert not any(tensor.requires_grad for tensor in checkpoint.state.values())


def test_a_loss_and_a_metric_beside_the_network_are_named_and_left_out(write: Write) -> None:
    beside = {"loss.weight": torch.ones(11), "val_iou.confmat": torch.zeros(11, 11)}

    checkpoint = load_checkpoint(write({"state_dict": under("net.", theirs()) | beside}))

    assert_same(checkpoint.state, ours())
    assert checkpoint.ignored == tuple(beside)
    assert told(checkpoint) == (
        "left out, for training alone: loss.weight (a loss), val_iou.confmat (a metric)",
    )


def test_a_layer_in_front_of_the_network_is_refused_by_name(write: Write) -> None:
    adapter = {"adapter.weight": torch.zeros(3, 3, 1, 1), "adapter.bias": torch.zeros(3)}
    path = write(under("model.", theirs()) | adapter)

    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)

    assert "2 tensors that the network has no place for" in str(error.value)
    assert "found: adapter.weight, adapter.bias" in str(error.value)
    assert "--ignore-tensors 'adapter.*'" in str(error.value)

    checkpoint = read(path, ignore_tensors=("adapter.*",))

    assert_same(checkpoint.state, ours())
    assert told(checkpoint) == (
        "left out on request (--ignore-tensors): adapter.weight, adapter.bias",
    )


def test_a_pattern_without_a_tensor_is_an_error(write: Write) -> None:
    with pytest.raises(CheckpointError, match=r"no tensor like 'adaptor\.\*'"):
        read(write(theirs()), ignore_tensors=("adaptor.*",))


@pytest.mark.parametrize(
    ("wrap", "labels"),
    [
        (lambda a, b: under("student.", a) | under("teacher.", b), ["student", "teacher"]),
        (
            lambda a, b: {"state_dict": under("student.", a) | under("teacher.", b)},
            ["state_dict.student", "state_dict.teacher"],
        ),
        (lambda a, b: {"student": a, "teacher": b}, ["student", "teacher"]),
    ],
)
def test_of_two_networks_a_prefix_chooses(
    wrap: Callable[[State, State], Any], labels: list[str], write: Write
) -> None:
    path = write(wrap(theirs(), doubled(theirs())))

    both = " or ".join(f"--prefix {label}" for label in labels)
    with pytest.raises(CheckpointError, match=f"2 networks(.|\n)*{', '.join(labels)}(.|\n)*{both}"):
        load_checkpoint(path)

    for name in ("teacher", "teacher.", labels[1]):
        assert_same(read(path, prefix=name).state, doubled(ours()))
    assert_same(read(path, prefix="student").state, ours())
    with pytest.raises(CheckpointError, match=f"no network under 'pupil'(.|\n)*hint: {both}"):
        read(path, prefix="pupil")


def mmcv(raw: State, averaged: State) -> Any:
    copies = {f"ema_{name.replace('.', '_')}": tensor for name, tensor in averaged.items()}
    return {"state_dict": raw | copies}


@pytest.mark.parametrize(
    ("wrap", "says"),
    [
        (mmcv, "ema_…"),
        (lambda raw, ema: {"state_dict": raw, "state_dict_ema": ema}, "state_dict_ema"),
        (lambda raw, ema: {"model": raw, "model_ema": under("module.", ema)}, "model_ema"),
        (lambda raw, ema: {"model": raw, "ema": ema}, "ema"),
        (lambda raw, ema: under("model.", raw) | under("ema.", ema), "ema"),
        (lambda raw, ema: raw | under("ema_model.", ema), "ema_model"),
    ],
)
def test_averaged_weights_are_named_and_taken_on_request(
    wrap: Callable[[State, State], Any], says: str, write: Write
) -> None:
    path = write(wrap(theirs(), doubled(theirs())))

    raw, averaged = load_checkpoint(path), read(path, weights="ema")

    assert_same(raw.state, ours())
    assert f"averaged weights lie beside, in {says}: --weights ema" in raw.notes
    assert_same(averaged.state, doubled(ours()))
    assert f"the weights are the averaged ones, {says}" in averaged.notes


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_mmengine_has_swapped_the_averaged_weights_in(weights: str, write: Write) -> None:
    swapped = under("module.", doubled(theirs())) | {"steps": torch.tensor(40)}

    checkpoint = read(write({"state_dict": theirs(), "ema_state_dict": swapped}), weights=weights)

    assert_same(checkpoint.state, ours())
    [note] = told(checkpoint)
    assert "are the averaged ones; mmengine keeps the raw ones as ema_state_dict" in note


def test_averaged_weights_that_are_not_there_are_an_error(write: Write) -> None:
    with pytest.raises(
        CheckpointError, match=r"holds no averaged weights(.|\n)*leave --weights out"
    ):
        read(write(theirs()), weights="ema")


def test_two_tensors_of_one_name_are_refused(write: Write) -> None:
    twice = {f"module.{name}": tensor + 1 for name, tensor in theirs().items()}

    with pytest.raises(CheckpointError, match=r"two tensors for backbone\.layers\.0"):
        load_checkpoint(write(theirs() | twice))


def test_content_that_nests_without_end_is_left(write: Write) -> None:
    deep: dict[str, Any] = theirs()
    for _ in range(50):
        deep = {"inner": deep}

    with pytest.raises(CheckpointError, match="holds no named tensors"):
        load_checkpoint(write(deep))


@pytest.mark.parametrize(
    ("beside", "names"),
    [
        ({"stem": {"weight": torch.ones(3, 3, 1, 1), "bias": torch.ones(3)}}, "stem.weight, stem"),
        ({"class_bias": torch.ones(3)}, "class_bias"),
        ({"adapters": {"lora": {"0": {"down": torch.ones(2, 2)}}}}, "adapters.lora.0.down"),
        ({"head": {"decode_head.conv_seg.bias": torch.ones(3)}}, "head.decode_head.conv_seg.bias"),
        ({"filters": [torch.ones(3, 3), torch.ones(3)]}, "filters.0, filters.1"),
        ({"input_scaler": {"weight": torch.ones(3)}}, "input_scaler.weight"),
        ({"random_projection": torch.ones(3, 3)}, "random_projection"),
        ({"iou_head": {"weight": torch.ones(3, 3)}}, "iou_head.weight"),
    ],
)
def test_a_layer_outside_of_the_state_dict_is_refused_by_name(
    beside: dict[str, Any], names: str, write: Write
) -> None:
    path = write({"state_dict": theirs(), "epoch": 3, **beside})

    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)

    assert "that the network has no place for" in str(error.value)
    assert f"found: {names}" in str(error.value)

    [outer] = beside
    checkpoint = read(path, ignore_tensors=(f"{outer}*",))

    assert_same(checkpoint.state, ours())
    assert "left out on request (--ignore-tensors)" in told(checkpoint)[0]


@pytest.mark.parametrize(
    "beside",
    [
        {"optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}]},
        {"lr_schedulers": [{"last": torch.ones(2)}], "grad_scaler": {"scale": torch.ones(1)}},
        {"cuda_rng_state": [torch.zeros(8, dtype=torch.uint8)], "best": torch.tensor(0.7)},
        {"ema": {"decay": 0.9, "shadow_params": [torch.ones(3, 3)]}},
        {"callbacks": {"EarlyStopping{'monitor': 'val/loss'}": {"history": torch.ones(4)}}},
        {
            "class_weights": torch.ones(3),
            "val_iou": torch.ones(3),
            "criterion": {"a": torch.ones(2)},
        },
        {"discriminator": {"0.weight": torch.ones(2, 2)}, "best_fitness": torch.ones(1)},
    ],
)
def test_what_trainers_write_beside_a_state_dict_is_passed_over(
    beside: dict[str, Any], write: Write
) -> None:
    checkpoint = load_checkpoint(write({"state_dict": theirs(), "epoch": 3, **beside}))

    assert_same(checkpoint.state, ours())


def test_the_pattern_that_is_proposed_spares_the_network(write: Write) -> None:
    # Its own tensors begin with "backbone." too.
    path = write({"model": theirs(), "backbone": under("", {"backbone.stem": torch.ones(3)})})

    with pytest.raises(CheckpointError, match=r"--ignore-tensors 'backbone\.backbone\.\*'"):
        load_checkpoint(path)

    assert_same(read(path, ignore_tensors=("backbone.backbone.*",)).state, ours())


@pytest.mark.parametrize("pattern", ["*", "model.*"])
def test_a_pattern_that_leaves_nothing_is_an_error(pattern: str, write: Write) -> None:
    with pytest.raises(CheckpointError, match="has no tensor that is not left out"):
        read(write({"model": theirs()}), ignore_tensors=(pattern,))
