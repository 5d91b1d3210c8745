"""Averaged weights that stand beside the raw ones, as each trainer stores them."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.networks import FoundNetwork
from segpp.export.checkpoints.training_only import names_and_more

__all__ = ["average_notes", "averaged_tensors", "copies_in", "without_swapped"]

_MMENGINE = "ema_state_dict"


def without_swapped(found: Sequence[FoundNetwork]) -> list[FoundNetwork]:
    """Leave out the raw weights that mmengine puts away as ``ema_state_dict``.

    It swaps the two before it saves, so that ``state_dict`` has the averaged ones.
    """
    return [network for network in found if not is_swapped(network)] or list(found)


def is_swapped(network: FoundNetwork) -> bool:
    """Whether these are the raw weights beside mmengine's averaged ones."""
    return network.mapping.where[-1:] == (_MMENGINE,) and "steps" in network.mapping.tensors


def averaged_tensors(
    network: FoundNetwork, found: Sequence[FoundNetwork], path: Path
) -> dict[str, Tensor]:
    """Return the averaged weights of the network that was chosen for them.

    Raises:
        CheckpointError: The file has none.
    """
    if network.is_averaged or any(is_swapped(other) for other in found):
        return network.tensors
    beside = network.mapping.tensors
    copies = {name: beside[copy] for name, copy in copies_in(network).items()}
    if not copies:
        raise CheckpointError(
            f"{path} holds no averaged weights (--weights ema)",
            f"found: {names_and_more([n.label or 'one network without a prefix' for n in found])}",
            hint="leave --weights out: the raw weights are all there is",
        )
    return network.tensors | copies


def average_notes(
    chosen: FoundNetwork, found: Sequence[FoundNetwork], weights: str
) -> tuple[str, ...]:
    """Return which averaged weights there are and whether they are taken, one sentence."""
    if any(is_swapped(other) for other in found):
        return ("the weights are the averaged ones; mmengine keeps the raw ones as ema_state_dict",)
    averaged = [network.label for network in found if network.is_averaged]
    if not averaged and copies_in(chosen):
        averaged = ["ema_…"]
    if not averaged:
        return ()
    if weights == "ema" or chosen.is_averaged:
        return (f"the weights are the averaged ones, {names_and_more(averaged)}",)
    return (f"averaged weights lie beside, in {names_and_more(averaged)}: --weights ema",)


def copies_in(network: FoundNetwork) -> dict[str, str]:
    """Return where mmcv's averaging put its copies of the network's tensors, in the same mapping.

    It calls them ``ema_`` and the whole name without dots, at the root of the module that trains.
    """
    beside, prefix = network.mapping.tensors, network.prefix
    places = [
        (name, copy)
        for name in network.tensors
        for copy in (_flat(prefix + name), prefix + _flat(name))
    ]
    return {name: copy for name, copy in places if copy in beside}


def _flat(name: str) -> str:
    return f"ema_{name.replace('.', '_')}"
