"""The decode head that fuses below its resizing, against the one that fuses above it."""

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from segpp.export.models.segformer.model import SegFormer
from segpp.ops.grid import Size
from tests.helpers.random_segformer import HEADS, Head, network

# Grids of 33x42, 17x21, 9x11 and 5x6: none is a whole share of another.
SIZE = Size(132, 168)
# Sums of a few thousand products in double precision.
TOLERANCE = 1e-11
NOTHING = 1e-6


def image(model: SegFormer) -> Tensor:
    shape = (2, model.architecture.channels, *SIZE)
    draw = torch.Generator().manual_seed(3)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


def learned_from(model: SegFormer, x: Tensor) -> dict[str, Tensor]:
    """Return the logits, and the gradient of every weight by its name."""
    model.zero_grad()
    logits = model(x)
    torch.autograd.backward(logits.square().mean())
    weights = model.named_parameters()
    return {"logits": logits.detach()} | {
        name: weight.grad.clone() for name, weight in weights if weight.grad is not None
    }


@pytest.mark.parametrize("head", HEADS)
def test_logits_and_gradients_are_the_same(head: Head) -> None:
    model = network("b0", head).double().requires_grad_()
    x = image(model)
    above, names = learned_from(model, x), set(model.state_dict())
    below = learned_from(model.ease_learning(), x)
    assert model.head.fuses_below
    assert set(model.state_dict()) == names
    assert below.keys() == above.keys()
    for name, expected in above.items():
        # The bias of keys has no gradient but rounding.
        most = max(float(expected.abs().max()), NOTHING)
        assert (below[name] - expected).abs().max() <= TOLERANCE * most, name


def test_it_is_cheaper() -> None:
    model = network("b0", HEADS[0])
    x = image(model).float()
    counts = []
    for eased in (False, True):
        model = model.ease_learning() if eased else model
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            model(x)
        counts.append(counter.get_total_flops())
    assert counts[1] < 0.7 * counts[0]
