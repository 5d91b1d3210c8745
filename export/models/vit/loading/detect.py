"""Which codebase a state dict comes from, and which head it has, by its names."""

from collections.abc import Collection
from pathlib import Path

from segpp.errors import CheckpointError
from segpp.export.models._common.tensors import shortened
from segpp.export.models.vit.architecture import Head
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat

__all__ = ["detect_format", "detect_head"]


def detect_format(names: Collection[str], path: Path, checkpoint_format: str | None = None) -> str:
    """Return the name of the format that knows most of the tensors' names.

    Args:
        names: Of the tensors.
        path: Of the file, for messages.
        checkpoint_format: The format that the caller says it is, which must know at least some.

    Raises:
        CheckpointError: No format knows even half of the names.
    """
    known = {name: fmt.count_known(names) for name, fmt in FORMATS.items()}
    if checkpoint_format is not None:
        if not known[checkpoint_format]:
            raise CheckpointError(
                f"{path} has none of the names of {checkpoint_format}",
                f"found: {shortened(list(names))}",
                hint="leave `checkpoint_format` out, and segpp recognises it",
            )
        return checkpoint_format
    best = max(known, key=lambda name: known[name])
    if 2 * known[best] < len(names):
        raise CheckpointError(
            f"{path} is not a plain ViT that segpp knows",
            f"found: {shortened(list(names))}",
            f"known formats: {', '.join(FORMATS)}",
            hint="give the checkpoint of a Segmenter, SETR-naive or EoMT, saved as a state dict",
        )
    return best


def detect_head(fmt: CheckpointFormat, names: Collection[str], path: Path) -> Head:
    """Return which head of a format a file has.

    Raises:
        CheckpointError: It has none that is known.
    """
    head = fmt.head_of(names)
    if head is None:
        raise CheckpointError(
            f"{path} holds a plain ViT without a decode head that segpp knows",
            f"format: {fmt.title}, with the heads {', '.join(fmt.heads)}",
            f"found: {shortened([name for name in names if not fmt.knows(name)] or list(names))}",
            hint="give a checkpoint that was trained for segmentation, not a pretrained backbone",
        )
    return head
