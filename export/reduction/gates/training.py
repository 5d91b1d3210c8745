"""What a trainer calls to train gates: annealed counts, a penalty, and the names to save under.

Source: Bai, Mao & Nair, 2021 (arXiv:2111.09499): the share that is left out grows linearly over the
first steps, and the sum of the gates' absolute values is part of the loss.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from segpp.export.reduction.gates.gate import Gate
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.export.reduction.gates.places import Channels

__all__ = ["annealed_keep", "gate_penalty", "gates_in", "set_keep"]


def annealed_keep(keep: float, step: float, steps: float) -> float:
    """Return which share stays at a step: all at the first, ``keep`` from ``steps`` on.

    Args:
        keep: In the end.
        step: Steps that are done, or a share of the training.
        steps: Likewise, above 0.
    """
    return 1 - (1 - keep) * min(1.0, step / steps)


def set_keep(gate: Gate, keep: float) -> None:
    """Let a gate choose this share of its channels."""
    gate.keep = DynamicGate(keep).channels_out(Channels(gate.count, gate.groups))


def gate_penalty(model: nn.Module) -> Tensor:
    """Return the mean absolute value of the gates in the last pass, summed over gates.

    Raises:
        RuntimeError: No gate with a predictor has run in training.
    """
    seen = [gate.logits.abs().mean() for gate in gates_in(model) if gate.logits is not None]
    if not seen:
        raise RuntimeError("no gate with a predictor has run in training")
    return torch.stack(seen).sum()


def gates_in(model: nn.Module) -> Iterator[Gate]:
    """Iterate over the gates of a network."""
    return (module for module in model.modules() if isinstance(module, Gate))
