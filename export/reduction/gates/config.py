"""Which gate works at which place of a network: from the user's choice to counts of channels."""

from collections.abc import Collection, Iterable, Mapping
from typing import cast

from segpp.errors import ReductionError
from segpp.export.reduction.gates import GATES
from segpp.export.reduction.gates.base import ChannelGate
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.export.reduction.gates.methods.fixed import FixedGate
from segpp.export.reduction.gates.places import Channels, Place, names_place, parse_place
from segpp.export.reduction.sites import Site, expand_stages
from segpp.manifest import ChannelSite
from segpp.manifest.channels import GateName
from segpp.manifest.dataclass_json import encode

__all__ = [
    "ChannelGates",
    "build_gates",
    "check_beside",
    "chooses_on_images",
    "count_channels",
]

ChannelGates = Mapping[Place, ChannelGate]


def build_gates(reduce: Iterable[str], places: Collection[Place]) -> ChannelGates:
    """Return the gate at each place, in the order of ``places``.

    Args:
        reduce: As of ``ReductionChoice``; what is about tokens is passed over.
        places: Those that the network has.

    Raises:
        ReductionError: A place or name is unknown, or a number is out of range.
    """
    gates: dict[Place, ChannelGate] = {}
    for text in reduce:
        where, _, how = text.partition("=")
        if names_place(where):
            gate = None if how == "none" else _parse_gate(text, how)
            for place in [parse_place(one, places) for one in expand_stages(where)]:
                # Popped first: the last word on a place counts, ``none`` included.
                gates.pop(place, None)
                if gate is not None:
                    gates[place] = gate
    return {place: gates[place] for place in places if place in gates}


def count_channels(
    gates: ChannelGates,
    channels: Mapping[Place, Channels],
    *,
    kept: Mapping[Place, Mapping[str, str]] | None = None,
    predictors: Mapping[Place, int] | None = None,
) -> tuple[ChannelSite, ...]:
    """Return what each gate makes of the channels at its place.

    Args:
        gates: The gate at each place.
        channels: How many there are.
        kept: By block, which channels stay, once that is known.
        predictors: Widths of the hidden layers of trained predictors, where there are any.
    """
    return tuple(
        ChannelSite(
            stage=place.stage,
            part=place.part,
            method=cast("GateName", gate.name),
            settings=encode(gate),
            channels_in=channels[place].width,
            channels_out=gate.channels_out(channels[place]),
            groups=channels[place].groups,
            predictor=(predictors or {}).get(place, 0),
            kept=dict((kept or {}).get(place, {})),
        )
        for place, gate in gates.items()
    )


def chooses_on_images(gates: ChannelGates) -> bool:
    """Whether a gate needs images before there is a file."""
    return any(isinstance(gate, FixedGate) for gate in gates.values())


def check_beside(gates: ChannelGates, merged: Collection[Site]) -> None:
    """Raise ReductionError for a gate that cannot work where tokens merge.

    Args:
        gates: The gate at each place.
        merged: The sites where tokens merge.
    """
    for place, gate in gates.items():
        site = Site(place.stage, "ffn")
        if place.part == "hidden" and isinstance(gate, DynamicGate) and site in merged:
            raise ReductionError(
                f"{place} cannot choose channels for each image where {site} merges tokens",
                "the linear layers there have rows of merged tokens",
                hint=f"{place}={FixedGate.name}, or {site}=none",
            )


def _parse_gate(text: str, how: str) -> ChannelGate:
    if not how:
        raise ReductionError(
            f"`reduce={text!r}` is not PLACE=METHOD:KEY=VALUE,…",
            hint="for example 3.hidden=fixed:keep=0.7, or 3.qkv=dynamic:keep=0.75",
        )
    name, _, settings = how.partition(":")
    return GATES[name].parse(settings)
