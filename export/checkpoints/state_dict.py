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
from segpp.export.checkpoints.networks import (
    FoundNetwork,
    Knowledge,
    choose,
    networks_in,
    twins_of,
)
from segpp.export.checkpoints.other_formats import check_not_encrypted, check_not_quantized
from segpp.export.checkpoints.training_only import (
    left_out,
    names_and_more,
    why_unused,
    why_unused_beside,
)

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
        twins: The same network where the file holds it again under other names, by the same names
            as ``tensors``.
    """

    tensors: dict[str, Tensor]
    context: dict[str, Any]
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    twins: tuple[dict[str, Tensor], ...] = ()


def extract_state_dict(
    content: Any, path: Path, known: Knowledge, choices: ReadChoices
) -> StateDict:
    """Find the one network in what a checkpoint file holds.

    Raises:
        CheckpointError: There are no tensors, several networks, or tensors beside the network that
            it may need.
    """
    check_not_encrypted(content, path)
    mappings, ignored = _without_ignored(tensor_mappings(content, path), choices, path)
    # 1. Which network.
    found = networks_in(mappings, known)
    candidates = found if choices.prefix is not None else without_swapped(found)
    chosen = choose(candidates, choices.prefix, choices.weights, path)
    tensors = chosen.tensors
    if choices.weights == "ema":
        tensors = averaged_tensors(chosen, found, path)
    check_not_quantized(tensors, path)
    # 2. What lies beside it in the same state dict, and beside that.
    others = _reasons_of_others(chosen, found, known)
    used = [chosen.prefix + name for name in tensors]
    if known.is_network(tensors):
        apart = _reasons_apart(mappings, chosen, found)
        left_out(apart, used, path, f"the network lies under: {chosen.label or 'no prefix'}")
    told = left_out(
        _layers_of(others), used, path, f"the network lies under: {chosen.label or 'no prefix'}"
    )
    notes = (*average_notes(chosen, found, choices.weights), told, _on_request(ignored))
    return StateDict(
        tensors={n: t for n, t in tensors.items() if chosen.prefix + n not in others},
        context=chosen.mapping.context,
        ignored=(*others, *ignored),
        notes=tuple(note for note in notes if note),
        twins=twins_of(chosen, found),
    )


def _without_ignored(
    mappings: Sequence[TensorMapping], choices: ReadChoices, path: Path
) -> tuple[list[TensorMapping], list[str]]:
    ignored: dict[str, None] = {}
    patterns = choices.ignore_tensors
    for pattern in patterns:
        matching = [
            (one, name) for one in mappings for name in one.tensors if _is_like(pattern, one, name)
        ]
        if not matching:
            raise CheckpointError(
                f"{path} has no tensor like {pattern!r:.80} (--ignore-tensors)",
                f"found: {names_and_more(mappings[0].tensors)}",
            )
        ignored |= dict.fromkeys(name for _, name in matching)
    kept = [
        replace(
            one,
            tensors={
                n: t
                for n, t in one.tensors.items()
                if not any(_is_like(p, one, n) for p in patterns)
            },
        )
        for one in mappings
    ]
    if not (left := [one for one in kept if one.tensors]):
        raise CheckpointError(
            f"{path} has no tensor that is not left out (--ignore-tensors)",
            f"patterns: {', '.join(patterns)[:200]}",
        )
    return left, list(ignored)


def _is_like(pattern: str, mapping: TensorMapping, name: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(mapping.full(name), pattern)


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


def _reasons_apart(
    mappings: Sequence[TensorMapping], chosen: FoundNetwork, found: Sequence[FoundNetwork]
) -> dict[str, str | None]:
    """Return why tensors outside of the network's state dict take no part, None if they may."""
    reasons: dict[str, str | None] = {}
    for mapping in mappings:
        if mapping is chosen.mapping:
            continue
        prefixes = tuple(one.prefix for one in found if one.mapping is mapping)
        for name, tensor in mapping.tensors.items():
            if not (prefixes and name.startswith(prefixes)):
                keys = (*mapping.where, *name.split("."))
                reasons[mapping.full(name)] = why_unused_beside(keys, tensor)
    return reasons


def _layers_of(reasons: dict[str, str | None]) -> dict[str, str | None]:
    # Other networks are told of by their prefixes, where they are chosen between.
    return {name: why for name, why in reasons.items() if why != _OF_ANOTHER}


def _on_request(ignored: Sequence[str]) -> str | None:
    if not ignored:
        return None
    return f"left out on request (--ignore-tensors): {names_and_more(ignored)}"
