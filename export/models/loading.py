"""From a checkpoint file of any family to its weights."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from segpp.export.checkpoints.choices import ReadChoices, check_choices
from segpp.export.checkpoints.networks import Knowledge
from segpp.export.checkpoints.state_dict import extract_state_dict
from segpp.export.checkpoints.weights import read_weights
from segpp.export.models.base import Checkpoint, ModelFamily, families_for
from segpp.export.reduction.gates.trained import split_gates

__all__ = ["load_checkpoint"]


def load_checkpoint(
    path: Path, *, checkpoint_format: str | None = None, choices: ReadChoices | None = None
) -> Checkpoint:
    """Read a checkpoint of any known family and format; nothing in it is executed.

    Args:
        path: A file of ``torch.save`` or safetensors, or a folder of ``save_pretrained``.
        checkpoint_format: Whose code saved it, where the names inside do not tell.
        choices: More that the file does not tell; in place of ``checkpoint_format``.

    Raises:
        CheckpointError: It is missing, damaged, dangerous, foreign or incomplete, could be of
            several formats, holds several networks, or tensors that no known network uses; or
            there is no such format.
    """
    choices = choices or ReadChoices(checkpoint_format)
    check_choices(choices)
    # An unknown name is refused before a large file is read.
    known = list(families_for(choices.checkpoint_format).values())
    model_types = [name for family in known for name in family.model_types]
    weights = read_weights(path, model_types)
    state_dict = extract_state_dict(weights.content, path, _knowledge_of(known), choices)
    # The family that knows most of the names also says best what is wrong with them.
    family = max(known, key=lambda candidate: candidate.detect(state_dict.tensors))
    network, gates = split_gates(state_dict.tensors)
    checkpoint = family.load(weights, replace(state_dict, tensors=network), path, choices)
    return replace(checkpoint, gates=gates)


def _knowledge_of(known: Collection[ModelFamily]) -> Knowledge:
    return Knowledge(
        is_network=lambda names: any(family.is_network(names) for family in known),
        count_known=lambda names: max(family.detect(names) for family in known),
    )
