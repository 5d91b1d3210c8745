"""A network with fewer channels, and what is told of how they were chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.network import Network
from segpp.export.reduction.gates.config import ChannelGates, count_channels
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.export.reduction.gates.places import Place
from segpp.export.reduction.gates.running_moments import Draw
from segpp.export.reduction.gates.trained import GATES_PREFIX, load_gates
from segpp.manifest import ChannelSite

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Gated", "gate_channels", "mask_of", "to_choose"]

_DIGIT = 4


@dataclass(frozen=True)
class Gated:
    """Channels as they are in a file.

    Attributes:
        sites: The counts, and which channels stay for all images.
        notes: What a person must know, one sentence each.
    """

    sites: tuple[ChannelSite, ...] = ()
    notes: tuple[str, ...] = ()


def gate_channels(
    model: Network,
    checkpoint: Checkpoint,
    gates: ChannelGates,
    images: Sequence[Draw],
    path: Path,
) -> Gated:
    """Let a network work with fewer channels.

    Args:
        model: Changed in place; its reductions are applied.
        checkpoint: What it was built from.
        gates: At each place.
        images: What fixed gates choose on.
        path: Of the checkpoint, for messages.

    Raises:
        CheckpointError: The checkpoint's trained gates do not fit.
    """
    family = family_of(checkpoint.architecture)
    channels = family.channels(checkpoint.architecture)
    emptied = [str(place) for place in gates if place in model.emptied(gates)]
    kept = family.apply_gates(model, gates, images)
    masks = {
        place: {name: mask_of(stays, channels[place].width) for name, stays in by_block.items()}
        for place, by_block in kept.items()
    }
    predictors = _load_predictors(model, checkpoint, gates, path)
    sites = count_channels(gates, channels, kept=masks, predictors=predictors)
    return Gated(sites, (*_zeros_note(emptied), *_notes(checkpoint, gates, predictors)))


def to_choose(model: Network, gates: ChannelGates) -> ChannelGates:
    """Return the gates without those whose choice a network's zeros tell."""
    emptied = model.emptied(gates)
    return {place: gate for place, gate in gates.items() if place not in emptied}


def mask_of(stays: "Tensor", count: int) -> str:
    """Return which channels stay as hexadecimal digits, the first channel the highest bit."""
    chosen = set(stays.tolist())
    digits = -(-count // _DIGIT)
    bits = "".join("1" if channel in chosen else "0" for channel in range(digits * _DIGIT))
    return f"{int(bits, 2):0{digits}x}"


def _load_predictors(
    model: Network, checkpoint: Checkpoint, gates: ChannelGates, path: Path
) -> Mapping[Place, int]:
    found = family_of(checkpoint.architecture).dynamic_gates(model)
    widths = {}
    for place in gates:
        ends = (".hidden",) if place.part == "hidden" else (".qk", ".v")
        own = {
            n: g for n, g in found.items() if n.startswith(f"{place.stage}.") and n.endswith(ends)
        }
        if width := load_gates(own, checkpoint.gates, path):
            widths[place] = width
    return widths


def _zeros_note(emptied: Sequence[str]) -> Iterator[str]:
    if emptied:
        yield (
            f"channels at {', '.join(emptied)} are left out where the checkpoint has nothing but "
            "zeros; no image chose them"
        )


def _notes(
    checkpoint: Checkpoint, gates: ChannelGates, predictors: Mapping[Place, int]
) -> Sequence[str]:
    untrained = [
        str(place)
        for place, gate in gates.items()
        if isinstance(gate, DynamicGate) and gate.keep < 1 and place not in predictors
    ]
    notes = []
    if untrained:
        notes.append(
            f"the channels at {', '.join(untrained)} are chosen by the size of what an image's "
            f"mean token gives: the checkpoint has no trained gates for them ({GATES_PREFIX}…)"
        )
    if checkpoint.gates and not predictors:
        notes.append(f"the checkpoint's trained gates ({GATES_PREFIX}…) are not used")
    return notes
