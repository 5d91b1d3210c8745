"""Which rewrites apply, in which order, and to what."""

from collections.abc import Iterable

import pytest
import torch

from segpp.errors import InputError
from segpp.export.models.rewriting import apply_rewrites, select_rewrites
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites import REWRITES
from segpp.export.targets import PORTABLE, TARGETS
from tests.helpers.random_segformer import network


def rewritten(model: SegFormer, names: Iterable[str]) -> SegFormer:
    return apply_rewrites(model, [REWRITES[name] for name in names])


def names_for(target: str, *, off: Iterable[str] = ()) -> tuple[str, ...]:
    return tuple(select_rewrites(REWRITES, target, off=off).on)


@pytest.mark.parametrize("name", list(REWRITES))
def test_a_rewrite_leaves_the_network_it_is_given_alone(name: str) -> None:
    model = network("b0", "conv-bn")
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}

    rewritten(model, [name])

    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)


@pytest.mark.parametrize("target", TARGETS)
def test_rewrites_come_after_those_they_name(target: str) -> None:
    names = names_for(target)

    for name in names:
        first = [other for other in REWRITES[name].after if other in names]
        assert all(names.index(other) < names.index(name) for other in first)


@pytest.mark.parametrize("target", TARGETS)
def test_a_rewrite_that_is_off_is_left_out_and_the_rest_stays(target: str) -> None:
    names = names_for(target)

    for name in names:
        assert set(names_for(target, off=[name])) == set(names) - {name}
        assert select_rewrites(REWRITES, target, off=[name]).off == (name,)


def test_an_unknown_rewrite_proposes_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown rewrite 'fold-decod-head'") as caught:
        names_for(PORTABLE, off=["fold-decod-head"])

    assert "did you mean 'fold-decode-head'?" in str(caught.value)


def test_an_unknown_target_proposes_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown target 'onnxruntim'"):
        names_for("onnxruntim")
