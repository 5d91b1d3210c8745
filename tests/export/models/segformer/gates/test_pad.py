"""What is cut and padded again is the cut network, stays so in training, and is cut there again.

Tests models/segformer/gates/pad.py.
"""

from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from segpp.export.models.segformer.gates import apply_gates
from segpp.export.models.segformer.model import SegFormer
from segpp.export.reduction.gates.base import ChannelGate
from segpp.export.reduction.gates.methods.fixed import FixedGate
from segpp.export.reduction.gates.places import Place
from tests.export.models.segformer.gates.test_gates import (
    EVERYWHERE,
    PLACES_OF_EVERY_RUN,
    TOLERANCE,
    difference,
    draws,
    gates,
    images,
    network,
)

# Both solve for their own corrections, place after place: the ridge of a millionth of the variance
# lets a solution magnify a rounding of 1e-16 a million times, of values below a hundred.
SOLVED = 1e-8

Kept = dict[Place, dict[str, Tensor]]
# Fewer channels and fewer tokens, in the feed-forward part too.
MERGING = ("3.q=n2d:rows=2,cols=2", "3.ffn=n2d:rows=2,cols=2", "4.grid=area:share=0.5")


def dense(places: list[Place], gate: ChannelGate) -> tuple[SegFormer, Kept]:
    model = network(*MERGING)
    return model, apply_gates(model, gates(places, gate), draws(), dense=True)


def trained(model: SegFormer) -> SegFormer:
    """Return the network after a few steps of AdamW, in any direction."""
    model.requires_grad_()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    for seed in range(3):
        optimizer.zero_grad()
        (model(images() * (seed + 1)) - 1).square().mean().backward()
        optimizer.step()
    return model.requires_grad_(requires_grad=False)


def chosen_again(
    model: SegFormer, places: list[Place], gate: ChannelGate
) -> tuple[SegFormer, Kept]:
    """Return what an export makes of a network, on other images."""
    cut = deepcopy(model)
    x = images().numpy()
    others = [np.ascontiguousarray(x[:, :, ::-1]), 0.3 * x + 0.5]
    return cut, apply_gates(cut, gates(places, gate), [partial(np.copy, one) for one in others])


def indices(kept: Kept) -> dict[str, list[int]]:
    return {f"{p} {n}": stays.tolist() for p, one in kept.items() for n, stays in one.items()}


@pytest.mark.parametrize("correct", [0, 1])
@pytest.mark.parametrize("places", PLACES_OF_EVERY_RUN, ids=EVERYWHERE)
def test_a_padded_network_is_the_cut_one(places: list[Place], correct: int) -> None:
    gate, x = FixedGate(0.5, correct), images(batch=2)
    cut = network(*MERGING)
    kept = apply_gates(cut, gates(places, gate), draws())

    padded, also = dense(places, gate)

    assert indices(also) == indices(kept)
    assert difference(padded(x), cut(x)) <= (SOLVED if correct else TOLERANCE)
    shapes = {name: tensor.shape for name, tensor in network().state_dict().items()}
    assert {name: tensor.shape for name, tensor in padded.state_dict().items()} == shapes


@pytest.mark.parametrize("correct", [0, 1])
@pytest.mark.parametrize("places", PLACES_OF_EVERY_RUN, ids=EVERYWHERE)
def test_what_left_stays_out_in_training_and_leaves_again(
    places: list[Place], correct: int
) -> None:
    gate, x = FixedGate(0.5, correct), images(batch=2)
    start, kept = dense(places, gate)
    student = trained(deepcopy(start))

    cut, again = chosen_again(student, places, gate)

    assert difference(student(x), start(x)) > 1e-3
    assert indices(again) == indices(kept)
    assert difference(cut(x), student(x)) <= TOLERANCE
    before, after = start.state_dict(), student.state_dict()
    # Biases of norms are born as zeros.
    gated = [name for name in before if "norm" not in name and bool((before[name] == 0).any())]
    assert gated
    assert [name for name in gated if not torch.equal(before[name] == 0, after[name] == 0)] == []
