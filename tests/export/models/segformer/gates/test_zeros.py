"""Where there are enough zeros they tell which channels leave, and images elsewhere.

Tests models/segformer/gates/zeros.py.
"""

from copy import deepcopy
from typing import cast

import pytest
import torch
from torch import Tensor

from segpp.export.models.segformer.gates import apply_gates
from segpp.export.models.segformer.gates.zeros import kept_by_zeros
from segpp.export.models.segformer.model import SegFormer
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.export.reduction.gates.methods.fixed import FixedGate
from segpp.export.reduction.gates.places import Channels, Place
from tests.export.models.segformer.gates.test_gates import (
    EVERYWHERE,
    PLACES_OF_EVERY_RUN,
    TOLERANCE,
    difference,
    gates,
    images,
    network,
)
from tests.export.models.segformer.gates.test_pad import dense, indices, trained

HIDDEN = Place(3, "hidden")


@pytest.mark.parametrize("correct", [0, 1])
@pytest.mark.parametrize("places", PLACES_OF_EVERY_RUN, ids=EVERYWHERE)
def test_without_an_image_a_student_is_cut_to_the_weights_that_were_trained(
    places: list[Place], correct: int
) -> None:
    gate = FixedGate(0.5, correct)
    student, kept = dense(places, gate)
    trained(student)
    cut = deepcopy(student)

    again = apply_gates(cut, gates(places, gate), [])

    assert indices(again) == indices(kept)
    assert student.emptied(gates(places, gate)) == set(places)
    assert difference(cut(images()), student(images())) <= TOLERANCE
    whole = student.state_dict()
    # Nothing made up for what left: every number is one that was trained.
    assert all(torch.isin(part, whole[name]).all() for name, part in cut.state_dict().items())


def test_zeros_on_one_side_or_of_another_gate_tell_nothing() -> None:
    student, _ = dense([HIDDEN], FixedGate(0.5))
    more = {HIDDEN: FixedGate(0.25), Place(4, "qkv"): FixedGate(0.5)}

    assert student.emptied({HIDDEN: FixedGate(0.5)}) == {HIDDEN}
    assert not student.emptied({HIDDEN: DynamicGate(0.5)})
    assert not student.emptied({HIDDEN: FixedGate(1.0)})
    assert not student.emptied(more)
    student.ffns(3)[0].fc1.bias.add_(1.0)
    assert not student.emptied({HIDDEN: FixedGate(0.5)})


def test_every_group_needs_its_own_zeros_and_of_more_the_first_leave() -> None:
    gate, later = FixedGate(0.5), list(range(160, 320))

    assert found(silent(160), gate, groups=1) == [later, later]
    assert found(silent(200), gate, groups=1) == [later, later]
    assert found(silent(159), gate, groups=1) is None
    # Of the second half of the channels nothing is zero.
    assert found(silent(160), gate, groups=2) is None


def silent(count: int) -> SegFormer:
    """Return a network whose stage 3 has so many hidden channels, the first ones, of zeros."""
    model = network()
    for ffn in model.ffns(3):
        for layer in (ffn.fc1, ffn.dwconv):
            layer.weight[:count] = 0
            cast("Tensor", layer.bias)[:count] = 0
        ffn.fc2.weight[:, :count] = 0
    return model


def found(model: SegFormer, gate: FixedGate, groups: int) -> list[list[int]] | None:
    told = kept_by_zeros(model, HIDDEN, gate, Channels(320, groups))
    return None if told is None else [stays.tolist() for stays in told.values()]
