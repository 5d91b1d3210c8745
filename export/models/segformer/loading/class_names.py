"""Names and colours of the classes, as far as they fit the network."""

from collections.abc import Mapping
from typing import Any

from segpp.export.models.segformer.loading import hf_config
from segpp.images.palette import default_palette
from segpp.manifest import Classes

__all__ = ["classes_of", "reduces_labels"]

_CHANNEL_MAX = 255
_BACKGROUND = ("background", (0, 0, 0))


def classes_of(
    meta: Mapping[str, Any], config: Mapping[str, Any], channels: int, notes: list[str]
) -> Classes | None:
    """Return names and colours, None if the checkpoint has neither.

    Args:
        meta: What mmsegmentation stores beside the weights.
        config: ``config.json``, empty without.
        channels: Of the logits; one channel tells two classes apart.
        notes: Takes what does not fit, a sentence each.
    """
    count = max(channels, 2)
    dataset = _dict(meta.get("dataset_meta"))
    named, gap = hf_config.names_of(config, channels)
    notes += [gap] if gap else []
    given = dataset.get("classes") or meta.get("CLASSES") or named
    palette = dataset.get("palette") or meta.get("PALETTE")
    names = _fitting(given, _names(given), channels, "class names", notes)
    colors = _fitting(palette, _palette(palette), channels, "colours", notes)
    if names is None and colors is None:
        return None
    return Classes(
        names=names or tuple(f"class {index}" for index in range(count)),
        palette=colors or default_palette(count),
        ignore=_ignored_label(config),
    )


def reduces_labels(meta: Mapping[str, Any], preprocessor: Mapping[str, Any]) -> bool:
    """Return whether label 0 of the data set counts for nothing."""
    said = _dict(meta.get("dataset_meta")).get("reduce_zero_label")
    # `reduce_labels` in files of transformers before 4.40; where both stand, the new one counts.
    old = preprocessor.get("reduce_labels")
    return said is True or preprocessor.get("do_reduce_labels", old) is True


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


def _ignored_label(config: Mapping[str, Any]) -> int:
    label = config.get("semantic_loss_ignore_index", 255)
    return label if type(label) is int and 0 <= label <= _CHANNEL_MAX else 255


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
