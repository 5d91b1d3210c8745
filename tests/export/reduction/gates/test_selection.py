"""The choice of channels and the correction, against sums of squares over made activations."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from segpp.export.reduction.gates.running_moments import RunningMoments
from segpp.export.reduction.gates.selection import Moments, channels_to_keep, prediction

COUNT, TOKENS, OUTPUTS = 8, 500, 5


def activations(seed: int = 0) -> Tensor:
    """Channels that depend on each other and have means, (TOKENS, COUNT)."""
    draw = torch.Generator().manual_seed(seed)
    mixed = torch.randn(TOKENS, COUNT, generator=draw) @ torch.randn(COUNT, COUNT, generator=draw)
    return mixed.double() + torch.arange(COUNT)


def weights(seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(OUTPUTS, COUNT, generator=draw).double()


def moments_of(x: Tensor) -> Moments:
    seen = RunningMoments()
    # In two images of different sizes.
    seen.add(x[None, :123])
    seen.add(x[None, 123:])
    return seen.moments()


def loss(x: Tensor, w: Tensor, kept: Tensor, *, correct: bool) -> float:
    """Return the squared error of the layer's outputs by torch's own least squares."""
    if not correct:
        return float((x @ w.T - x[:, kept] @ w[:, kept].T).square().sum())
    inputs = torch.cat((x[:, kept], torch.ones(len(x), 1, dtype=x.dtype)), 1)
    target = x @ w.T
    best = torch.linalg.lstsq(inputs, target).solution
    return float((inputs @ best - target).square().sum())


def test_moments_are_those_of_all_tokens() -> None:
    x = activations()

    found = moments_of(x)

    assert torch.allclose(found.mean, x.mean(0))
    assert torch.allclose(found.covariance, x.T.cov(correction=0))


def test_centred_moments_know_nothing_of_an_images_mean() -> None:
    x, seen = activations(), RunningMoments(centred=True)
    seen.add(x[None, :250])
    seen.add(x[None, 250:] + 100)

    parts = [x[:250].T.cov(correction=0), x[250:].T.cov(correction=0)]
    assert torch.allclose(seen.moments().covariance, (parts[0] + parts[1]) / 2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("correct", [False, True])
def test_the_first_channel_to_go_costs_least(correct: bool, seed: int) -> None:  # noqa: FBT001 - a case
    x, w = activations(seed), weights(seed + 100)

    kept = channels_to_keep(moments_of(x), w.T @ w, COUNT - 1, 1, correct=correct)

    every = [torch.tensor(one) for one in combinations(range(COUNT), COUNT - 1)]
    best = min(every, key=lambda one: loss(x, w, one, correct=correct))
    assert kept.tolist() == best.tolist()


@pytest.mark.parametrize("correct", [False, True])
def test_each_further_channel_costs_least_given_those_that_went(correct: bool) -> None:  # noqa: FBT001 - a case
    x, w = activations(), weights()
    found = [
        set(channels_to_keep(moments_of(x), w.T @ w, left, 1, correct=correct).tolist())
        for left in range(COUNT - 1, 0, -1)
    ]

    before = set(range(COUNT))
    for after in found:
        assert after < before
        options = [before - {channel} for channel in before]
        losses = [loss(x, w, torch.tensor(sorted(one)), correct=correct) for one in options]
        chosen = loss(x, w, torch.tensor(sorted(after)), correct=correct)
        assert chosen == pytest.approx(min(losses), rel=1e-6)
        before = after


@pytest.mark.parametrize("correct", [False, True])
def test_every_group_keeps_as_many(correct: bool) -> None:  # noqa: FBT001 - a case
    x, w = activations(), weights()
    # All of the first group are worth less than any of the second.
    w[:, :4] *= 1e-6

    kept = channels_to_keep(moments_of(x), w.T @ w, 4, 2, correct=correct)

    assert (kept < 4).tolist() == [True, True, False, False]


def test_many_channels_go_in_rounds_and_still_well() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 400, generator=draw).double() @ torch.diag(torch.rand(400).double())
    w = torch.randn(50, 400, generator=draw).double()

    kept = channels_to_keep(moments_of(x), w.T @ w, 200, 1, correct=True)

    alone = (x.var(0) * w.square().sum(0)).argsort(descending=True)[:200]
    assert loss(x, w, kept, correct=True) <= loss(x, w, alone, correct=True)
    assert len(kept) == len(set(kept.tolist())) == 200


def test_the_correction_is_the_least_squares_solution() -> None:
    x, w, kept = activations(), weights(), torch.tensor([0, 2, 3, 7])

    mixed, added = prediction(moments_of(x), kept)

    corrected = x[:, kept] @ (w @ mixed).T + w @ added
    error = float((corrected - x @ w.T).square().sum())
    assert error == pytest.approx(loss(x, w, kept, correct=True), rel=1e-6)
    assert error < loss(x, w, kept, correct=False)


def test_channels_that_are_always_off_divide_nothing() -> None:
    x = torch.zeros(TOKENS, COUNT, dtype=torch.float64)

    mixed, added = prediction(moments_of(x), torch.tensor([1, 5]))
    kept = channels_to_keep(moments_of(x), torch.eye(COUNT).double(), 2, 1, correct=True)

    assert torch.isfinite(mixed).all()
    assert torch.isfinite(added).all()
    assert len(kept) == 2
