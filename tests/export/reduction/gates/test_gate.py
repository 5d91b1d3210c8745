"""What a gate chooses, its mask, its gradient, and how a trainer is to use it.

Tests reduction/gates/training.py too.
"""

import pytest
import torch
from torch import nn

from segpp.export.reduction.gates.gate import Gate
from segpp.export.reduction.gates.training import annealed_keep, gate_penalty, gates_in, set_keep

GROUPS, COUNT, KEPT = 2, 8, 4


def gate(*, trained: bool = False) -> Gate:
    torch.manual_seed(0)
    made = Gate((6,), COUNT, GROUPS, KEPT)
    if trained:
        made.add_predictor()
    return made


def run(made: Gate, batch: int = 3) -> torch.Tensor:
    layer = nn.Linear(6, COUNT)
    return made([torch.randn(batch, 20, 6)], [layer])


def test_the_largest_of_every_group_are_chosen() -> None:
    logits = torch.tensor([[3.0, 1, 4, 2, -5, -1, -2, -9]])

    assert sorted(gate().indices(logits)[0].tolist()) == [0, 2, 5, 6]


def test_a_mask_is_one_for_those_and_zero_for_the_others() -> None:
    logits = torch.tensor([[3.0, 1, 4, 2, -5, -1, -2, -9]])

    mask = gate().mask(logits)
    assert torch.equal(mask, torch.tensor([[[1.0, 0, 1, 0, 0, 1, 1, 0]]]))


def test_the_mask_has_the_gradient_of_a_sigmoid() -> None:
    logits = torch.randn(2, COUNT, requires_grad=True)

    gate().mask(logits).sum().backward()

    sigmoid = logits.detach().sigmoid()
    assert torch.allclose(logits.grad, sigmoid * (1 - sigmoid))  # type: ignore[arg-type]  # backward made it


def test_a_predictor_learns_through_the_mask() -> None:
    made = gate(trained=True).train()

    (made.mask(run(made)) * torch.arange(COUNT)).sum().backward()

    weights = dict(made.named_parameters())
    assert {n: bool(p.grad is not None and p.grad.abs().sum() > 0) for n, p in weights.items()} == (
        dict.fromkeys(weights, True)
    )


def test_halves_are_summed_in_single_precision() -> None:
    made = Gate((6,), COUNT, GROUPS, KEPT).half()
    layer = nn.Linear(6, COUNT).half()
    tokens = torch.full((1, 40_000, 6), 30.0).half() + torch.arange(6).half()

    assert torch.isfinite(made([tokens], [layer])).all()


def test_fewer_channels_are_left_out_at_first() -> None:
    assert [annealed_keep(0.6, step, 100) for step in (0, 50, 100, 500)] == [1, 0.8, 0.6, 0.6]


def test_a_trainer_sets_how_many_channels_a_gate_keeps() -> None:
    model = nn.Sequential(gate(), Gate((4,), 64, 2, 64))

    for one in gates_in(model):
        set_keep(one, 0.5)

    assert [one.keep for one in gates_in(model)] == [4, 32]


def test_the_penalty_is_the_size_of_the_gates() -> None:
    made = gate(trained=True).train()
    model = nn.ModuleList([made, gate()])
    logits = run(made)

    assert gate_penalty(model).item() == pytest.approx(logits.abs().mean().item())


def test_a_penalty_of_nothing_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no gate with a predictor has run"):
        gate_penalty(nn.ModuleList([gate(trained=True)]))
