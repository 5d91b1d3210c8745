"""The named tensors of one network, out of whatever they are wrapped in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.averaged import (
    average_notes,
    averaged_tensors,
    copies_in,
    without_swapped,
)
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.checkpoints.mappings import TensorMapping, tensor_mappings
from segpp.export.checkpoints.networks import FoundNetwork, Knowledge, choose, networks_in
from segpp.export.checkpoints.training_only import left_out, names_and_more, why_unused

__all__ = ["StateDict", "extract_state_dict"]

_OF_ANOTHER = "of another network"


@dataclass(frozen=True)
class StateDict:
    """The tensors of a network, and what stood around them.

    Attributes:
        tensors: By name, without the prefixes of wrapping modules.
        context: The entries around them: ``meta`` and the like.
        ignored: Names beside the network that take no part in a mask, averaged copies included.
        notes: What a person must know of the choice, one sentence each.
    """

    tensors: dict[str, Tensor]
    context: dict[str, Any]
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def extract_state_dict(
    content: Any, path: Path, known: Knowledge, choices: ReadChoices
) -> StateDict:
    """Find the one network in what a checkpoint file holds.

    Raises:
        CheckpointError: There are no tensors, several networks, or tensors beside the network that
            it may need.
    """
    mappings, ignored = _without_ignored(tensor_mappings(content, path), choices, path)
    # 1. Which network.
    found = networks_in(mappings, known)
    candidates = found if choices.prefix is not None else without_swapped(found)
    chosen = choose(candidates, choices.prefix, choices.weights, path)
    tensors = chosen.tensors
    if choices.weights == "ema":
        tensors = averaged_tensors(chosen, found, path)
    # 2. What lies beside it in the same state dict.
    others = _reasons_of_others(chosen, found, known)
    used = [chosen.prefix + name for name in tensors]
    told = left_out(
        _layers_of(others), used, path, f"the network lies under: {chosen.label or 'no prefix'}"
    )
    notes = (*average_notes(chosen, found, choices.weights), told, _on_request(ignored))
    return StateDict(
        tensors={n: t for n, t in tensors.items() if chosen.prefix + n not in others},
        context=chosen.mapping.context,
        ignored=(*others, *ignored),
        notes=tuple(note for note in notes if note),
    )


def _without_ignored(
    mappings: Sequence[TensorMapping], choices: ReadChoices, path: Path
) -> tuple[list[TensorMapping], list[str]]:
    ignored: dict[str, None] = {}
    for pattern in choices.ignore_tensors:
        names = [name for one in mappings for name in one.tensors if fnmatchcase(name, pattern)]
        if not names:
            raise CheckpointError(
                f"{path} has no tensor like {pattern!r:.80} (--ignore-tensors)",
                f"found: {names_and_more(mappings[0].tensors)}",
            )
        ignored |= dict.fromkeys(names)
    kept = [
        replace(one, tensors={n: t for n, t in one.tensors.items() if n not in ignored})
        for one in mappings
    ]
    return [one for one in kept if one.tensors], list(ignored)


def _reasons_of_others(
    chosen: FoundNetwork, found: Sequence[FoundNetwork], known: Knowledge
) -> dict[str, str | None]:
    """Return why each tensor that is none of the network's takes no part, None if it may."""
    rivals = [one for one in found if one.mapping is chosen.mapping and one is not chosen]
    copies = set(copies_in(chosen).values())
    reasons: dict[str, str | None] = {}
    for name in chosen.mapping.tensors:
        if name in copies or any(_is_of(rival, name, chosen, known) for rival in rivals):
            reasons[name] = _OF_ANOTHER
        elif not name.startswith(chosen.prefix):
            reasons[name] = why_unused(name)
    return reasons


def _is_of(rival: FoundNetwork, name: str, chosen: FoundNetwork, known: Knowledge) -> bool:
    if not name.startswith(rival.prefix):
        return False
    # Where one prefix lies within the other, the inner one's names are its own.
    if chosen.prefix.startswith(rival.prefix):
        return not name.startswith(chosen.prefix) and bool(
            known.count_known([name.removeprefix(rival.prefix)])
        )
    return True


def _layers_of(reasons: dict[str, str | None]) -> dict[str, str | None]:
    # Other networks are told of by their prefixes, where they are chosen between.
    return {name: why for name, why in reasons.items() if why != _OF_ANOTHER}


def _on_request(ignored: Sequence[str]) -> str | None:
    if not ignored:
        return None
    return f"left out on request (--ignore-tensors): {names_and_more(ignored)}"
