"""Channel gates in the blocks of a SegFormer."""

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor

from segpp.export.models.segformer.architecture import channels_of
from segpp.export.models.segformer.gates.cut import cut_place
from segpp.export.models.segformer.gates.hidden import GatedMixFfn
from segpp.export.models.segformer.gates.pad import pad_place
from segpp.export.models.segformer.model import Block, SegFormer, Stage
from segpp.export.reduction.gates.base import ChannelGate
from segpp.export.reduction.gates.gate import Gate
from segpp.export.reduction.gates.methods.fixed import FixedGate
from segpp.export.reduction.gates.places import Place
from segpp.export.reduction.gates.projections import ProjectionGate
from segpp.export.reduction.gates.running_moments import Draw

__all__ = ["apply_gates", "dynamic_gates"]


def apply_gates(
    model: SegFormer,
    gates: Mapping[Place, ChannelGate],
    images: Sequence[Draw] = (),
    *,
    dense: bool = False,
) -> dict[Place, dict[str, Tensor]]:
    """Let the stages of a network work with fewer channels; returns those kept by fixed gates.

    Dynamic gates first look as they will run; what fixed ones see has passed through them.

    Args:
        model: Changed in place.
        gates: What works at which place.
        images: What fixed gates choose on.
        dense: Keep all shapes: zeros in the place of what fixed gates would cut.
    """
    channels = channels_of(model.architecture)
    kept = {}
    # In the order in which an image meets them: the attention of a stage first.
    order = sorted(gates, key=lambda place: (place.stage, place.part == "hidden"))
    for place in order:
        gate = gates[place]
        if isinstance(gate, FixedGate):
            kept[place] = cut_place(model, place, gate, channels[place], images)
            if dense:
                pad_place(model, place, kept[place], channels[place].width)
        else:
            _set_dynamic(model, place, gate.channels_out(channels[place]))
    return kept


def dynamic_gates(model: SegFormer) -> dict[str, Gate]:
    """Return the gates of a network by the names of their trained weights.

    ``STAGE.BLOCK.hidden``, ``STAGE.BLOCK.qk`` and ``STAGE.BLOCK.v``, counted from 1.
    """
    found: dict[str, Gate] = {}
    for number, stage in enumerate(model.stages, start=1):
        for index, one in enumerate(cast("Stage", stage).blocks, start=1):
            block, where = cast("Block", one), f"{number}.{index}"
            if isinstance(block.ffn, GatedMixFfn):
                found[f"{where}.hidden"] = block.ffn.gate
            if block.attention.gate is not None:
                found[f"{where}.qk"] = block.attention.gate.qk
                found[f"{where}.v"] = block.attention.gate.v
    return found


def _set_dynamic(model: SegFormer, place: Place, kept: int) -> None:
    for one in cast("Stage", model.stages[place.stage - 1]).blocks:
        block = cast("Block", one)
        if place.part == "hidden":
            block.ffn = GatedMixFfn(block.ffn, kept)  # type: ignore[assignment]  # the same call
        else:
            block.attention.gate = ProjectionGate(block.attention, kept)
        # A module is born in training.
        block.train(block.training)
