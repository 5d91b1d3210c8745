"""What a checkpoint says about its classes and its input, as far as it can be believed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segpp.export.models.segformer.loading import hf_config as hugging_face
from segpp.images.palette import default_palette
from segpp.manifest import Architecture, Classes
from segpp.ops.grid import Size

__all__ = ["Annotations", "annotations_of"]

_CHANNEL_MAX = 255


@dataclass(frozen=True)
class Annotations:
    """What stands in the file beside the weights; None where it says nothing.

    Attributes:
        notes: What was found and not used, one sentence each.
    """

    classes: Classes | None
    size: Size | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    notes: tuple[str, ...]


def annotations_of(
    context: Mapping[str, Any],
    config: Mapping[str, Any],
    preprocessor: Mapping[str, Any],
    architecture: Architecture,
) -> Annotations:
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
    normalisation = hugging_face.normalisation_of(preprocessor, architecture.channels)
    mean, std = normalisation or (
        _numbers(text, "mean", architecture.channels),
        _numbers(text, "std", architecture.channels),
    )
    if re.search(r"\b(bgr_)?to_rgb\s*=\s*False", text):
        notes.append("the training configuration feeds BGR images (to_rgb=False)")
    return Annotations(
        classes=_classes(meta, config, architecture.classes, notes),
        size=hugging_face.size_of(preprocessor) or _resolution(context) or _crop_size(text),
        mean=mean if std else None,
        std=std if mean else None,
        notes=tuple(notes),
    )


def _classes(
    meta: Mapping[str, Any], config: Mapping[str, Any], count: int, notes: list[str]
) -> Classes | None:
    dataset = _dict(meta.get("dataset_meta"))
    names = dataset.get("classes") or meta.get("CLASSES") or hugging_face.names_of(config)
    palette = dataset.get("palette") or meta.get("PALETTE")
    names = _believed(names, _names(names), count, "class names", notes)
    colours = _believed(palette, _palette(palette), count, "colours", notes)
    if names is None and colours is None:
        return None
    return Classes(
        names=names or tuple(f"class {index}" for index in range(count)),
        palette=colours or default_palette(count),
        ignore=_ignored_label(config),
    )


def _believed(
    found: Any, read: tuple[Any, ...] | None, count: int, what: str, notes: list[str]
) -> Any:
    if not found or (read and len(read) == count):
        return read
    given = f"{len(read)}" if read else "unreadable"
    notes.append(f"the checkpoint's {what} ({given}) do not fit its {count} classes: not used")
    return None


def _names(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return tuple(value)
    return None


def _palette(value: Any) -> tuple[tuple[int, ...], ...] | None:
    if isinstance(value, list | tuple) and all(_is_colour(colour) for colour in value):
        return tuple(tuple(colour) for colour in value)
    return None


def _is_colour(value: Any) -> bool:
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
    found = set(re.findall(r"crop_size\s*=\s*[(\[]\s*(\d{1,5})\s*,\s*(\d{1,5})\s*[)\]]", text))
    # Two different ones (training and sliding window) leave it open which one is meant.
    sizes = [Size(int(height), int(width)) for height, width in found]
    return sizes[0] if len(sizes) == 1 and min(sizes[0]) > 0 else None


def _numbers(text: str, key: str, channels: int) -> tuple[float, ...] | None:
    found = set(re.findall(rf"\b{key}\s*=\s*[(\[]([\d\s.,]+)[)\]]", text))
    values = {_floats(group) for group in found}
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
