"""Trained gates in a checkpoint, under a prefix of their own beside the network's tensors.

    segpp_gates.STAGE.BLOCK.{hidden,qk,v}.norms.N.{weight,bias}
    segpp_gates.STAGE.BLOCK.{hidden,qk,v}.predictor.{0,2}.{weight,bias}

Stages and blocks count from 1; N is 0, and for ``qk`` also 1, the norm of what keys are made of.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.reduction.gates.gate import Gate

__all__ = ["GATES_PREFIX", "gates_state", "load_gates", "split_gates"]

GATES_PREFIX = "segpp_gates."

_WIDTH = "predictor.0.weight"


def gates_state(gates: Mapping[str, Gate]) -> dict[str, Tensor]:
    """Return the tensors of gates as a checkpoint has them beside its network's.

    Args:
        gates: As ``dynamic_gates`` of the family names them.
    """
    return {
        f"{GATES_PREFIX}{name}.{key}": tensor
        for name, gate in gates.items()
        for key, tensor in gate.state_dict().items()
    }


def split_gates(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return a network's tensors, and those of its gates without the prefix."""
    network = {n: t for n, t in tensors.items() if not n.startswith(GATES_PREFIX)}
    return network, {
        name.removeprefix(GATES_PREFIX): tensor
        for name, tensor in tensors.items()
        if name not in network
    }


def load_gates(gates: Mapping[str, Gate], tensors: Mapping[str, Tensor], path: Path) -> int:
    """Give gates the predictors of a checkpoint and return the width of their hidden layers.

    Args:
        gates: Those of one place, by name.
        tensors: All that the checkpoint has, without the prefix.
        path: Of the checkpoint, for messages.

    Returns:
        0 where the checkpoint has no predictor for them.

    Raises:
        CheckpointError: Some are missing, or do not fit.
    """
    own = {name: _below(name, tensors) for name in gates}
    if not any(own.values()):
        return 0
    shapes = {name: tuple(one[_WIDTH].shape) for name, one in own.items() if _WIDTH in one}
    # Of queries and keys a predictor sees two layers: what it takes is wider, what it has is not.
    if len(shapes) != len(gates) or len({shape[:1] for shape in shapes.values()}) != 1:
        raise CheckpointError(
            f"{path} has predictors for some of the gates {', '.join(gates)}, or of several widths",
            f"found: {', '.join(f'{name} {shape}' for name, shape in shapes.items()) or 'none'}",
        )
    width = next(iter(shapes.values()))[0]
    for name, gate in gates.items():
        gate.add_predictor(width)
        _load(gate, own[name], f"{path}: {GATES_PREFIX}{name}")
    return width


def _below(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): t for k, t in tensors.items() if k.startswith(f"{name}.")}


def _load(gate: Gate, tensors: Mapping[str, Tensor], where: str) -> None:
    expected = {key: tuple(tensor.shape) for key, tensor in gate.state_dict().items()}
    found = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    if expected != found:
        wrong = min(set(expected.items()) ^ set(found.items()))
        raise CheckpointError(
            f"{where} does not fit its gate",
            f"{wrong[0]}: expected {expected.get(wrong[0])}, found {found.get(wrong[0])}",
        )
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise CheckpointError(f"{where} has values that are no finite numbers")
    gate.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    gate.eval().requires_grad_(requires_grad=False)
