"""From a checkpoint file of any family to its weights."""

from pathlib import Path

from segpp.export.checkpoints.state_dict import extract_state_dict
from segpp.export.checkpoints.weights import read_weights
from segpp.export.models.base import Checkpoint, families_for

__all__ = ["load_checkpoint"]


def load_checkpoint(path: Path, *, checkpoint_format: str | None = None) -> Checkpoint:
    """Read a checkpoint of any known family and format; nothing in it is executed.

    Args:
        path: A file of ``torch.save`` or safetensors, or a folder of ``save_pretrained``.
        checkpoint_format: Whose code saved it, where the names inside do not tell.

    Raises:
        CheckpointError: It is missing, damaged, dangerous, foreign or incomplete, or could be of
            several formats; or there is no such format.
    """
    # An unknown name is refused before a large file is read.
    known = families_for(checkpoint_format)
    model_types = [name for family in known.values() for name in family.model_types]
    weights = read_weights(path, model_types)
    state_dict = extract_state_dict(weights.content, path)
    # The family that knows most of the names also says best what is wrong with them.
    family = max(known.values(), key=lambda candidate: candidate.detect(state_dict.tensors))
    return family.load(weights, state_dict, path, checkpoint_format)
