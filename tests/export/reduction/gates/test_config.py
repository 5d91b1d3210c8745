"""From what a user types to gates and counts.

Tests reduction/gates/base.py, reduction/gates/places.py and reduction/gates/methods/fixed.py too.
"""

import pytest

from segpp.errors import ReductionError
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.family import FAMILY
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.reduction.gates import GATES
from segpp.export.reduction.gates.config import (
    build_gates,
    check_beside,
    chooses_on_images,
    count_channels,
)
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.export.reduction.gates.methods.fixed import FixedGate
from segpp.export.reduction.gates.places import Channels, Place
from segpp.manifest import ReductionSite


def build(*reduce: str) -> dict[Place, object]:
    return dict(build_gates(reduce, FAMILY.places))


def test_gates_are_read_in_the_order_of_the_network() -> None:
    assert list(build("4.qkv=dynamic:keep=0.75", "3.hidden=fixed").items()) == [
        (Place(3, "hidden"), FixedGate()),
        (Place(4, "qkv"), DynamicGate(0.75)),
    ]


def test_the_last_word_on_a_place_counts() -> None:
    assert build("3.hidden=fixed", "3.hidden=none") == {}
    assert build("3.hidden=none", "3.hidden=fixed:keep=0.5,correct=0") == {
        Place(3, "hidden"): FixedGate(0.5, 0)
    }


def test_several_stages_are_named_at_once() -> None:
    gates = build("3-4.hidden=fixed:keep=0.5", "4.hidden=none", "1-2.qkv=dynamic")

    assert gates == {
        Place(1, "qkv"): DynamicGate(),
        Place(2, "qkv"): DynamicGate(),
        Place(3, "hidden"): FixedGate(0.5),
    }


def test_tokens_and_channels_pass_each_other_by() -> None:
    both = ("3.q=bsm:ratio=0.5", "3.hidden=fixed")

    assert list(map(str, reduction_config(reduce=both))) == ["3.q"]
    assert list(map(str, build(*both))) == ["3.hidden"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5.hidden=fixed", "'5.hidden' is no place for a channel gate"),
        ("3-5.hidden=fixed", "'5.hidden' is no place for a channel gate"),
        ("4-3.hidden=fixed", "'4-3.hidden' ends before it begins"),
        ("head.qkv=fixed", "'head.qkv' is no place for a channel gate"),
        ("3.hidden=bsm:ratio=0.5", "bsm"),
        ("3.hidden=fixed:ratio=0.5", "ratio"),
        ("3.hidden=fixed:keep=1.5", "cannot keep a share of 1.5"),
        ("3.hidden=dynamic:keep=0", "cannot keep a share of 0"),
        ("3.hidden=fixed:keep=nan", "cannot keep a share of nan"),
        ("3.hidden=fixed:correct=2", "correct=2"),
        ("3.hidden=dynamic:keep=half", "needs a number for keep"),
        ("3.hidden", "is not PLACE=METHOD"),
        ("3.hidden=", "is not PLACE=METHOD"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(ReductionError, match=says):
        build(text)


@pytest.mark.parametrize(
    ("channels", "keep", "left"),
    [
        (Channels(640, 1), 0.7, 448),
        (Channels(1024, 1), 0.7, 720),
        (Channels(160, 5), 0.75, 120),
        (Channels(160, 5), 0.7, 120),
        (Channels(160, 5), 0.01, 40),
        (Channels(60, 5), 0.5, 30),
        (Channels(60, 5), 0.01, 5),
        (Channels(640, 1), 1.0, 640),
    ],
)
def test_a_multiple_of_eight_stays_of_one(channels: Channels, keep: float, left: int) -> None:
    assert DynamicGate(keep).channels_out(channels) == left


def test_counts_are_those_of_the_network() -> None:
    channels = FAMILY.channels(segformer("b0", classes=2))
    gates = build_gates(["3.hidden=fixed:keep=0.5", "4.qkv=dynamic:keep=0.75"], FAMILY.places)

    hidden, qkv = count_channels(gates, channels, predictors={Place(4, "qkv"): 64})

    assert (hidden.channels_in, hidden.channels_out, hidden.groups) == (640, 320, 1)
    assert (qkv.channels_in, qkv.channels_out, qkv.groups, qkv.predictor) == (256, 192, 8, 64)
    assert hidden.settings == {"keep": 0.5, "correct": 1}
    assert not isinstance(hidden, ReductionSite)


def test_only_fixed_channels_need_images() -> None:
    assert chooses_on_images(build_gates(["3.hidden=fixed"], FAMILY.places))
    assert not chooses_on_images(build_gates(["3.hidden=dynamic"], FAMILY.places))


@pytest.mark.parametrize("name", GATES)
def test_every_gate_reads_what_it_writes(name: str) -> None:
    gate = GATES[name](keep=0.25)

    assert build(f"1.hidden={gate.to_string()}") == {Place(1, "hidden"): gate}
    assert gate.name == name


@pytest.mark.parametrize(
    ("gate", "merged", "fits"),
    [
        ("3.hidden=dynamic", "3.ffn=bsm", False),
        ("3.hidden=fixed", "3.ffn=bsm", True),
        ("3.qkv=dynamic", "3.ffn=bsm", True),
        ("3.hidden=dynamic", "4.ffn=bsm", True),
        ("3.hidden=dynamic", "3.q=bsm", True),
    ],
)
def test_an_image_cannot_choose_channels_of_rows_that_merge(
    gate: str, merged: str, *, fits: bool
) -> None:
    gates, sites = build_gates([gate], FAMILY.places), reduction_config(reduce=[merged])

    if fits:
        check_beside(gates, sites)
    else:
        with pytest.raises(ReductionError, match=r"where 3\.ffn merges tokens(.|\n)*=fixed, or"):
            check_beside(gates, sites)
