"""Which codebase a state dict comes from, by its names."""

from collections.abc import Collection, Iterable
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats import (
    FORMATS,
    CheckpointFormat,
    encoder_root,
    is_unused,
    key_matches,
    match_key,
)
from segpp.export.models.segformer.loading.validate import ENCODER_ONLY, shortened

__all__ = ["count_known", "detect_format", "has_both_ends"]

_ENDS = ("stages.0.patch_embed.conv.weight", "head.classifier.weight")


def detect_format(names: Iterable[str], path: Path, checkpoint_format: str | None = None) -> str:
    """Return the name of the format that knows most of the tensors' names.

    Args:
        checkpoint_format: The format that the caller says it is, which must know at least some.

    Raises:
        CheckpointError: No format knows even half of the names, or several know them equally well.
    """
    names = list(names)
    if checkpoint_format is not None:
        _check_fits(checkpoint_format, names, path)
        return checkpoint_format
    known = {name: count_known(fmt, names) for name, fmt in FORMATS.items()}
    most = max(known.values())
    if 2 * most < len(names):
        raise _foreign(names, path)
    best = [name for name, count in known.items() if count == most]
    if len(best) > 1:
        raise _ambiguous(best, path)
    return best[0]


def count_known(fmt: CheckpointFormat, names: Iterable[str]) -> int:
    """Return how many of the tensors' names a format knows."""
    return sum(match_key(fmt, name) is not None or is_unused(fmt, name) for name in names)


def has_both_ends(names: Collection[str]) -> bool:
    """Whether the names have the first and the last weights of a network of some format."""
    return any(first in names and last in names for first, last in _ends())


@lru_cache(maxsize=1)
def _ends() -> list[tuple[str, ...]]:
    return [tuple(match.key for match in key_matches(fmt, _ENDS)) for fmt in FORMATS.values()]


def _check_fits(checkpoint_format: str, names: list[str], path: Path) -> None:
    if not count_known(FORMATS[checkpoint_format], names):
        raise CheckpointError(
            f"{path} has none of the names of {checkpoint_format}",
            f"found: {shortened(names)}",
            hint="leave `checkpoint_format` out, and segpp recognises it",
        )


def _foreign(names: list[str], path: Path) -> CheckpointError:
    inside = f"found: {shortened(names)}"
    for fmt in FORMATS.values():
        # A pretrained backbone is saved without the root of its names.
        rooted = [f"{encoder_root(fmt)}.{name}" for name in names]
        if 2 * count_known(fmt, rooted) > len(names):
            return CheckpointError(
                f"{path} {ENCODER_ONLY}", f"format: {fmt.title}", inside, hint=_NEEDS_HEAD
            )
    return CheckpointError(
        f"{path} is not a SegFormer that segpp knows",
        inside,
        f"known formats: {', '.join(FORMATS)}",
        hint="give the checkpoint of a SegFormer, saved as a state dict",
    )


_NEEDS_HEAD = "give a checkpoint that was trained for segmentation, not a pretrained backbone"


def _ambiguous(best: list[str], path: Path) -> CheckpointError:
    numerics = {name: FORMATS[name].numerics for name in best}
    differing = [
        field.name
        for field in fields(Numerics)
        if len({getattr(values, field.name) for values in numerics.values()}) > 1
    ]
    facts = [
        f"{name}: {', '.join(f'{key} {getattr(values, key)}' for key in differing)}"
        for name, values in numerics.items()
    ]
    return CheckpointError(
        f"{path} could be from {', '.join(best[:-1])} or {best[-1]}: their names are the same",
        *facts,
        hint=f"say whose code trained it: `checkpoint_format={best[0]}`",
    )
