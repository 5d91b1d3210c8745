"""Merged tokens have gradients, which go where the tokens came from; matches have none."""

import pytest
import torch

from segpp.export.custom_ops import torch_ops
from segpp.export.custom_ops.torch_ops import MatchSettings, match, matching_by, merge, unmerge
from segpp.ops.grid import Grid
from tests.helpers.random_segformer import network

SLOT = torch.tensor([[0, 2, 2, 1, 3, 2], [1, 2, 3, 3, 0, 2]], dtype=torch.int32)


def tokens(*shape: int) -> torch.Tensor:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return drawn.requires_grad_()


def test_merging_is_differentiated_as_it_computes() -> None:
    assert torch.autograd.gradcheck(lambda x: merge(x, SLOT, 4), (tokens(2, 6, 3),))


def test_restoring_is_differentiated_as_it_computes() -> None:
    assert torch.autograd.gradcheck(lambda y: unmerge(y, SLOT), (tokens(2, 4, 3),))


def test_a_match_between_does_not_stop_the_gradient() -> None:
    def through(x: torch.Tensor) -> torch.Tensor:
        slot = match(x, Grid(4, 4), stride_y=2, stride_x=2, merged=6)
        return unmerge(merge(x, slot, 10).tanh(), slot)

    # The match stays the same for steps as small as gradcheck's.
    assert torch.autograd.gradcheck(through, (tokens(1, 16, 5),))


def test_a_match_keeps_nothing_for_a_gradient() -> None:
    seen: list[bool] = []

    def matcher(x: torch.Tensor, settings: MatchSettings) -> torch.Tensor:
        seen.append((x * 2).requires_grad)
        return torch_ops.plain_match(x, settings)

    with matching_by(matcher):
        match(tokens(1, 16, 5), Grid(4, 4), stride_y=2, stride_x=2, merged=6)

    assert seen == [False]


def test_autocast_matches_in_fp32() -> None:
    """Cosines that differ in the fourth digit are one number in BF16, and any would do."""
    x = 1 + 1e-2 * tokens(1, 256, 32).detach().float()
    settings = {"stride_y": 2, "stride_x": 2, "merged": 100}

    plain = match(x, Grid(16, 16), **settings)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = match(x, Grid(16, 16), **settings)

    assert torch.equal(plain, cast)


@pytest.mark.parametrize("preset", ["none", "fast"])
def test_every_weight_of_a_network_has_a_gradient(preset: str) -> None:
    model = network("b0", "conv-bn", preset).requires_grad_()

    model(torch.randn(1, 3, 128, 128)).square().mean().backward()

    without = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert without == []
