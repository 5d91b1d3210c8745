"""From a checkpoint file of any family to its weights."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from segpp.export.checkpoints.choices import ReadChoices, check_choices
from segpp.export.checkpoints.networks import Knowledge
from segpp.export.checkpoints.state_dict import StateDict, extract_state_dict
from segpp.export.checkpoints.weights import WeightsFile, read_weights
from segpp.export.models.base import Checkpoint, ModelFamily, families_for
from segpp.export.reduction.gates.trained import split_gates

__all__ = ["FoundWeights", "find_weights", "load_checkpoint"]


@dataclass(frozen=True)
class FoundWeights:
    """A checkpoint file as read, and where in it the network lies.

    Attributes:
        weights: What the file holds.
        state_dict: The network's tensors: the very ones of ``weights``, so that who knows where
            those lie knows where these do.
        family: Of the network.
    """

    weights: WeightsFile
    state_dict: StateDict
    family: ModelFamily

    def checkpoint(self, path: Path, choices: ReadChoices) -> Checkpoint:
        """Return the network.

        Raises:
            CheckpointError: It is foreign or incomplete, or could be of several formats.
        """
        network, gates = split_gates(self.state_dict.tensors)
        state_dict = replace(self.state_dict, tensors=network)
        checkpoint = self.family.load(self.weights, state_dict, path, choices)
        return replace(checkpoint, gates=gates)


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
    return find_weights(path, choices).checkpoint(path, choices)


def find_weights(
    path: Path, choices: ReadChoices, *, weights: WeightsFile | None = None
) -> FoundWeights:
    """Read a checkpoint and find the one network in it.

    Args:
        path: As in ``load_checkpoint``.
        choices: More that the file does not tell.
        weights: What the file holds, where that is read already.

    Raises:
        CheckpointError: As in ``load_checkpoint``.
    """
    check_choices(choices)
    # An unknown name is refused before a large file is read.
    known = list(families_for(choices.checkpoint_format).values())
    model_types = [name for family in known for name in family.model_types]
    weights = weights or read_weights(path, model_types)
    state_dict = extract_state_dict(weights.content, path, _knowledge_of(known), choices)
    # The family that knows most of the names also says best what is wrong with them.
    family = max(known, key=lambda candidate: candidate.detect(state_dict.tensors))
    return FoundWeights(weights, state_dict, family)


def _knowledge_of(known: Collection[ModelFamily]) -> Knowledge:
    return Knowledge(
        is_network=lambda names: any(family.is_network(names) for family in known),
        count_known=lambda names: max(family.detect(names) for family in known),
    )
