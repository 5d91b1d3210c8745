"""Whether a file can be written anew without losing what stands beside the weights."""

from collections.abc import Sequence
from pathlib import Path

from segpp.errors import CheckpointError
from segpp.export.checkpoints.check_weights import weights_kind
from segpp.export.checkpoints.pickle_globals import globals_in

__all__ = ["check_plain"]

_PLAIN = ("torch.", "collections.OrderedDict", "collections.Counter", "_codecs.encode")


def check_plain(
    files: Sequence[Path],
    *,
    why: str = "the file is of before PyTorch 1.6, or packed, and has to be written as a whole",
    hint: str = "where it was made, load it and save it again with torch.save",
) -> None:
    """Raise CheckpointError if a file holds objects that reading it has lost.

    Args:
        files: Of weights.
        why: They would have to be written anew.
        hint: The way out.
    """
    for file in files:
        if weights_kind(file).holds == "safetensors":
            raise CheckpointError(f"it does not show where in {file} the weights lie")
        lost = [name for name in globals_in(file) if not name.startswith(_PLAIN)]
        if lost:
            raise CheckpointError(
                f"{file} holds a {lost[0]}, which could not be written back",
                why,
                hint=hint,
            )
