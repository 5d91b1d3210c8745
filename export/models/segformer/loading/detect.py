"""Which codebase a state dict comes from, by its names."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.loading.formats import LAYOUTS, Layout
from segpp.export.models.segformer.loading.formats._key_mapping import (
    is_unused,
    locate,
    root_of_encoder,
)
from segpp.export.models.segformer.loading.validate import ENCODER_ONLY, shortened

__all__ = ["recognise"]


def recognise(names: Iterable[str], path: Path, source: str | None = None) -> str:
    """Return the name of the layout that knows most of the tensors' names.

    Args:
        source: The layout that the caller says it is, which must know at least some.

    Raises:
        CheckpointError: No layout knows even half of the names, or several know them equally well.
    """
    names = list(names)
    if source is not None:
        _check_fits(source, names, path)
        return source
    known = {name: _known(layout, names) for name, layout in LAYOUTS.items()}
    most = max(known.values())
    if 2 * most < len(names):
        raise _foreign(names, path)
    best = [name for name, count in known.items() if count == most]
    if len(best) > 1:
        raise _ambiguous(best, path)
    return best[0]


def _known(layout: Layout, names: list[str]) -> int:
    return sum(locate(layout, name) is not None or is_unused(layout, name) for name in names)


def _check_fits(source: str, names: list[str], path: Path) -> None:
    if not _known(LAYOUTS[source], names):
        raise CheckpointError(
            f"{path} has none of the names of {source}",
            f"found: {shortened(names)}",
            hint="leave the source out, and segpp recognises it",
        )


def _foreign(names: list[str], path: Path) -> CheckpointError:
    found = f"found: {shortened(names)}"
    for layout in LAYOUTS.values():
        if 2 * _known(layout, [f"{root_of_encoder(layout)}.{name}" for name in names]) > len(names):
            return CheckpointError(
                f"{path} {ENCODER_ONLY}", f"layout: {layout.title}", found, hint=_NEEDS_HEAD
            )
    return CheckpointError(
        f"{path} is not a SegFormer that segpp knows",
        found,
        f"known layouts: {', '.join(LAYOUTS)}",
        hint="give the checkpoint of a SegFormer, saved as a state dict",
    )


_NEEDS_HEAD = "give a checkpoint that was trained for segmentation, not a pretrained backbone"


def _ambiguous(best: list[str], path: Path) -> CheckpointError:
    numerics = {name: LAYOUTS[name].numerics for name in best}
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
        hint=f"say whose code trained it: --checkpoint-format {best[0]}",
    )
