"""Which codebase a state dict comes from, and which head it has, by its names."""

import re
from collections.abc import Collection
from pathlib import Path

from segpp.errors import CheckpointError
from segpp.export.models._common.tensors import shortened
from segpp.export.models.vit.architecture import Head
from segpp.export.models.vit.loading.formats import FORMATS, CheckpointFormat

__all__ = ["check_encoder", "detect_format", "detect_head"]

# How to join the halves that some codebases save apart.
_JOINED = {
    "mmsegmentation-dinov2": "head = torch.load('head.pth'); head['state_dict'] |= "
    "{f'backbone.{k}': v for k, v in torch.load('backbone.pth').items()}; "
    "torch.save(head, 'both.pth')",
    **dict.fromkeys(
        ("hf-dinov2", "hf-dinov3"),
        "torch.save({f'backbone.{k}': v for k, v in encoder.state_dict().items()} | "
        "{f'classifier.{k}': v for k, v in classifier.state_dict().items()}, 'both.pth')",
    ),
}
_WHOLE = "save the state dict of the whole network"


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
            hint="give the checkpoint of a Segmenter, SETR, EoMT, or DINO with a linear head, "
            "saved as a state dict",
        )
    return best


def check_encoder(fmt: CheckpointFormat, name: str, names: Collection[str], path: Path) -> None:
    """Raise CheckpointError if a file holds a head alone.

    Args:
        fmt: The format, spelled as the file is.
        name: Of the format.
        names: Of the tensors.
        path: Of the file, for messages.
    """
    encoder = re.compile("|".join(module.pattern for module in fmt.encoder))
    if not any(encoder.fullmatch(one) for one in names):
        raise CheckpointError(
            f"{path} holds a decode head without the encoder below it",
            f"format: {fmt.title}",
            f"found: {shortened(list(names))}",
            hint=f"join the two, in Python: {_JOINED[name]}" if name in _JOINED else _WHOLE,
        )


def detect_head(fmt: CheckpointFormat, name: str, names: Collection[str], path: Path) -> Head:
    """Return which head of a format a file has; the arguments are those of ``check_encoder``.

    Raises:
        CheckpointError: It has none that is known.
    """
    head = fmt.head_of(names)
    if head is None:
        raise CheckpointError(
            f"{path} holds a plain ViT without a decode head that segpp knows",
            f"format: {fmt.title}, with the heads {', '.join(fmt.heads)}",
            f"found: {shortened([one for one in names if not fmt.knows(one)] or list(names))}",
            hint="give a checkpoint that was trained for segmentation, not a pretrained backbone"
            + (f"; or join the two, in Python: {_JOINED[name]}" if name in _JOINED else ""),
        )
    return head
