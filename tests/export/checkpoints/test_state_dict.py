"""The named tensors of a checkpoint come out of whatever they are wrapped in."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models.loading import load_checkpoint
from tests.helpers.checkpoints import Write, assert_same, ours, theirs


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
    checkpoint = load_checkpoint(write(wrap(theirs())))

    assert_same(checkpoint.state, ours())
    assert not any(tensor.requires_grad for tensor in checkpoint.state.values())


def test_averaged_copies_and_other_heads_are_reported_and_not_used(write: Write) -> None:
    extra = {"ema_backbone_layers_0": torch.zeros(1), "auxiliary_head.conv_seg.bias": torch.ones(2)}

    checkpoint = load_checkpoint(write({"state_dict": theirs() | extra}))

    assert set(checkpoint.ignored) == set(extra)


def test_two_tensors_of_one_name_are_refused(write: Write) -> None:
    state = theirs()
    twice = {f"module.{name}": tensor + 1 for name, tensor in state.items()}

    with pytest.raises(CheckpointError, match=r"two tensors for backbone\.layers\.0"):
        load_checkpoint(write(state | twice))
