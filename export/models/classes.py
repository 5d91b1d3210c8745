"""The classes of a network, by number where its checkpoint has no names. Without torch."""

from segpp.export.models.base import Checkpoint
from segpp.images.palette import BINARY_NAMES, default_palette
from segpp.manifest import Classes

__all__ = ["classes_of"]


def classes_of(checkpoint: Checkpoint) -> Classes:
    """Return names and colours; of one output channel those of two classes."""
    return checkpoint.classes or _numbered(checkpoint.architecture.classes)


def _numbered(count: int) -> Classes:
    names = BINARY_NAMES if count == 1 else tuple(f"class {index}" for index in range(count))
    return Classes(names, default_palette(len(names)))
