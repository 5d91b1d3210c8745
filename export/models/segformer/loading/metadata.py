"""What a checkpoint says about its classes and its input, as far as it is consistent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segpp.export.models.segformer.loading import hf_config
from segpp.images.palette import default_palette
from segpp.manifest import Architecture, Classes
from segpp.ops.grid import Size

__all__ = ["Metadata", "read_metadata"]

_CHANNEL_MAX = 255


@dataclass(frozen=True)
class Metadata:
    """What stands in the file beside the weights; None where it says nothing.

    Attributes:
        notes: What was found and not used, one sentence each.
    """

    classes: Classes | None
    size: Size | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    notes: tuple[str, ...]


def read_metadata(
    context: Mapping[str, Any],
    config: Mapping[str, Any],
    preprocessor: Mapping[str, Any],
    architecture: Architecture,
) -> Metadata:
    """Collect what the wrappers of a state dict and the JSON beside it say.

    Args:
        context: The entries beside the tensors.
        config: ``config.json``, empty without.
        preprocessor: ``preprocessor_config.json``, empty without.
        architecture: What the weights say; where the two disagree, the weights are right.
    """
    notes: list[str] = []
    meta = _dict(context.get("meta"))
    # Its training configuration, as Python: mmsegmentation 0.x, then 1.x.
    text = next((text for key in ("config", "cfg") if isinstance(text := meta.get(key), str)), "")
    normalisation = hf_config.normalisation_of(preprocessor, architecture.channels)
    mean, std = normalisation or (
        _numbers(text, "mean", architecture.channels),
        _numbers(text, "std", architecture.channels),
    )
    if re.search(r"\b(bgr_)?to_rgb\s*=\s*False", text):
        notes.append("the training configuration feeds BGR images (to_rgb=False)")
    return Metadata(
        classes=_classes(meta, config, architecture.classes, notes),
        size=hf_config.size_of(preprocessor) or _resolution(context) or _crop_size(text),
        mean=mean if std else None,
        std=std if mean else None,
        notes=tuple(notes),
    )


def _classes(
    meta: Mapping[str, Any], config: Mapping[str, Any], count: int, notes: list[str]
) -> Classes | None:
    dataset = _dict(meta.get("dataset_meta"))
    names = dataset.get("classes") or meta.get("CLASSES") or hf_config.names_of(config)
    palette = dataset.get("palette") or meta.get("PALETTE")
    names = _consistent(names, _names(names), count, "class names", notes)
    colors = _consistent(palette, _palette(palette), count, "colours", notes)
    if names is None and colors is None:
        return None
    return Classes(
        names=names or tuple(f"class {index}" for index in range(count)),
        palette=colors or default_palette(count),
        ignore=_ignored_label(config),
    )


def _consistent(
    given: Any, read: tuple[Any, ...] | None, count: int, what: str, notes: list[str]
) -> Any:
    """Return what was ``read`` from what is ``given``, or None and a note if it does not fit."""
    if not given or (read and len(read) == count):
        return read
    size = f"{len(read)}" if read else "unreadable"
    notes.append(f"the checkpoint's {what} ({size}) do not fit its {count} classes: not used")
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


def _resolution(context: Mapping[str, Any]) -> Size | None:
    value = _dict(context.get("additional_info")).get("image_resolution")
    if isinstance(value, list | tuple) and len(value) == 2:  # noqa: PLR2004 - width, height
        width, height = value
        if type(width) is int and type(height) is int and min(width, height) > 0:
            return Size(height, width)
    return None


def _crop_size(text: str) -> Size | None:
    crops = set(re.findall(r"crop_size\s*=\s*[(\[]\s*(\d{1,5})\s*,\s*(\d{1,5})\s*[)\]]", text))
    # Two different ones (training and sliding window) leave it open which one is meant.
    sizes = [Size(int(height), int(width)) for height, width in crops]
    return sizes[0] if len(sizes) == 1 and min(sizes[0]) > 0 else None


def _numbers(text: str, key: str, channels: int) -> tuple[float, ...] | None:
    lists = set(re.findall(rf"\b{key}\s*=\s*[(\[]([\d\s.,]+)[)\]]", text))
    values = {_floats(group) for group in lists}
    [first] = values if len(values) == 1 else [()]
    usable = len(first) == channels and (key != "std" or min(first) > 0)
    return first if usable else None


def _floats(group: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in group.split(",") if part.strip())
    except ValueError:
        return ()


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
