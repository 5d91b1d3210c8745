"""Names and colours of the classes that a checkpoint stores, as far as they fit the network."""

from collections.abc import Mapping, Sequence
from typing import Any

from segpp.images.palette import default_palette
from segpp.manifest import Classes

__all__ = ["stored_classes"]

_CHANNEL_MAX = 255
_BACKGROUND = ("background", (0, 0, 0))


def stored_classes(
    meta: Mapping[str, Any],
    channels: int,
    notes: list[str],
    *,
    named: Sequence[str] | None = None,
    ignore: int = _CHANNEL_MAX,
) -> Classes | None:
    """Return names and colours, None if the checkpoint has neither.

    Args:
        meta: What mmsegmentation stores beside the weights.
        channels: Of the logits; one channel tells two classes apart.
        notes: Takes what does not fit, a sentence each.
        named: Names from elsewhere, where ``meta`` has none.
        ignore: The label that counts for nothing.
    """
    count = max(channels, 2)
    dataset = meta.get("dataset_meta")
    dataset = dataset if isinstance(dataset, Mapping) else {}
    given = dataset.get("classes") or meta.get("CLASSES") or named
    palette = dataset.get("palette") or meta.get("PALETTE")
    names = _fitting(given, _names(given), channels, "class names", notes)
    colors = _fitting(palette, _palette(palette), channels, "colours", notes)
    if names is None and colors is None:
        return None
    return Classes(
        names=names or tuple(f"class {index}" for index in range(count)),
        palette=colors or default_palette(count),
        ignore=ignore,
    )


def _fitting(
    given: Any, read: tuple[Any, ...] | None, channels: int, what: str, notes: list[str]
) -> Any:
    """Return what was ``read`` from what is ``given``, or None and a note if it does not fit."""
    if not given or (read and len(read) == max(channels, 2)):
        return read
    if channels == 1 and read and len(read) == 1:
        return (_BACKGROUND[what == "colours"], *read)
    size = f"{len(read)}" if read else "unreadable"
    notes.append(f"the checkpoint's {what} ({size}) do not fit its {channels} classes: not used")
    return None


def _names(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return tuple(value)
    return None


def _palette(value: Any) -> tuple[tuple[int, ...], ...] | None:
    if isinstance(value, list | tuple) and all(_is_color(color) for color in value):
        return tuple(tuple(color) for color in value)
    return None


def _is_color(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 3  # noqa: PLR2004 - red, green, blue
        and all(type(part) is int and 0 <= part <= _CHANNEL_MAX for part in value)
    )
