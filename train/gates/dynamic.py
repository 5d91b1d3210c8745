"""Dynamic gates on their way: in training a mask and fewer channels left out at first, else whole.

A gate has a predictor, whose bias starts as what the channels are worth on some pictures without
one, and whose weights start at zero: first every image chooses the same, and then it learns what
this image needs.

Source: Bai, Mao & Nair, Dynamically Pruning SegFormer for Efficient Semantic Segmentation, 2021
(arXiv:2111.09499): annealing, penalty and predictor; the start is ours.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from segpp.export.models.network import Network
from segpp.export.reduction.gates.gate import Gate
from segpp.export.reduction.gates.running_moments import Draw
from segpp.export.reduction.gates.training import (
    annealed_keep,
    gate_penalty,
    gates_in,
    set_keep,
)

__all__ = ["ANNEALED", "Gating", "add_predictors"]

# Of the training: after so much of it as many channels are left out as in the end.
ANNEALED = 0.4
# The logarithm of a channel that is always off.
_TINY = 1e-12


class Gating:
    """Switches the gates of a network, and what they work in, between training and the rest.

    Nothing else of the network is switched: statistics of BatchNorm stay as they are.

    Args:
        network: Its gates choose as many channels as they are going to in the end.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._kept = [(gate, gate.keep) for gate in gates_in(network)]
        self._gated = [
            module
            for module in network.modules()
            if any(isinstance(child, Gate) for child in module.children())
        ]

    def __bool__(self) -> bool:
        """Whether there is any gate."""
        return bool(self._kept)

    def learn(self, share: float) -> None:
        """Let gates give masks, of as many channels as this share of the training leaves."""
        for module in self._gated:
            module.train()
        for gate, kept in self._kept:
            set_keep(gate, annealed_keep(kept / gate.count, share, ANNEALED))

    def rest(self) -> None:
        """Let gates choose as they will run."""
        for module in self._gated:
            module.eval()
        for gate, kept in self._kept:
            gate.keep = kept
            # Else it keeps a whole step's graph.
            gate.logits = None

    def is_annealing(self, share: float) -> bool:
        """Whether more channels are learned with than will stay."""
        return bool(self._kept) and share < ANNEALED

    def penalty(self) -> Tensor:
        """Return the mean absolute value of the gates in the last step, summed over gates."""
        return gate_penalty(self._network)


def add_predictors(network: Network, draws: Sequence[Draw], seed: int) -> None:
    """Give every gate of a network a predictor, the same from the same seed and pictures.

    Args:
        network: Changed in place; its gates have none.
        draws: What a channel's worth is measured on; predictors start at random without.
        seed: Of weights.
    """
    gates = list(gates_in(network))
    worth = _worth(network, gates, draws) if gates and draws else [None] * len(gates)
    device = next(network.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for gate, sizes in zip(gates, worth, strict=True):
            gate.add_predictor()
            if sizes is not None:
                _start(gate, sizes)
            gate.to(device).requires_grad_(requires_grad=False)


def _worth(network: Network, gates: Sequence[Gate], draws: Sequence[Draw]) -> list[Tensor | None]:
    """Return the mean of what each gate gives (count,)."""
    sums: list[Tensor] = [torch.zeros(gate.count) for gate in gates]
    handles = [
        gate.register_forward_hook(partial(_add, total))
        for gate, total in zip(gates, sums, strict=True)
    ]
    device = next(network.parameters()).device
    try:
        with torch.no_grad():
            for draw in draws:
                network(torch.from_numpy(draw()).to(device))
    finally:
        for handle in handles:
            handle.remove()
    return [total / len(draws) for total in sums]


def _add(total: Tensor, _gate: nn.Module, _inputs: object, given: Tensor) -> None:
    total += given.mean(0).cpu()


def _start(gate: Gate, sizes: Tensor) -> None:
    """Let a predictor begin with the order of sizes, in every group of mean 0 and deviation 1."""
    last = gate.predictor[-1] if gate.predictor is not None else None
    if not isinstance(last, nn.Linear):
        raise TypeError("a gate's predictor ends with a linear layer")
    logs = sizes.clamp(min=_TINY).log().reshape(gate.groups, -1)
    spread = logs.std(1, keepdim=True, unbiased=False).clamp(min=1e-6)
    standard = (logs - logs.mean(1, keepdim=True)) / spread
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(standard.flatten())
