"""What the JSON of a Hugging Face folder says of classes and pictures, whatever the network.

That is ``id2label`` of ``config.json``, and ``preprocessor_config.json``.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from segpp.errors import CheckpointError
from segpp.manifest import Resize
from segpp.ops.grid import Size

__all__ = [
    "colors_of",
    "is_count",
    "names_of",
    "normalisation_of",
    "resize_of",
    "short_edge_of",
    "size_of",
]

# As Pillow numbers them.
_FILTERS: dict[object, Resize] = {
    0: "pillow-nearest",
    2: "pillow-bilinear",
    3: "pillow-bicubic",
}
_MAX_EDGE = 8192
_MAX_DIGITS = 9
# ImageNet's: those of the processors whose defaults are known, where a file leaves them out.
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def names_of(config: Mapping[str, Any], count: int) -> tuple[list[str] | None, str | None]:
    """Return the class names in order, and what does not fit in one sentence.

    Stand-ins by number count for none; where numbers are left out, the others keep their names.
    """
    labels = config.get("id2label")
    if not isinstance(labels, dict):
        return None, None
    numbers = [key for key in labels if str(key).isdecimal() and len(str(key)) <= _MAX_DIGITS]
    known = {int(key): str(labels[key]) for key in numbers}
    if all(name == f"LABEL_{number}" for number, name in known.items()):
        return None, None
    if sorted(known) == list(range(len(known))):
        return [known[number] for number in range(len(known))], None
    names = [known.get(number, f"class {number}") for number in range(count)]
    beyond = ", ".join(f"{n} ({known[n]})" for n in sorted(known) if n >= count) or "none"
    return names, f"config.json does not name every class; numbers beyond the {count}: {beyond}"


def size_of(preprocessor: Mapping[str, Any]) -> Size | None:
    """Return the size that images are resized to, if it is a fixed one."""
    size = _size(preprocessor)
    sides = [size.get("height"), size.get("width")] if isinstance(size, dict) else [size, size]
    counts = [side for side in sides if is_count(side)]
    return Size(*counts) if len(counts) == len(sides) else None


def short_edge_of(preprocessor: Mapping[str, Any]) -> int | None:
    """Return what the shorter side of images is resized to, where only that is fixed."""
    size = _size(preprocessor)
    edge = size.get("shortest_edge") if isinstance(size, dict) else None
    return edge if is_count(edge) and edge <= _MAX_EDGE else None


def _size(preprocessor: Mapping[str, Any]) -> object:
    # What is not resized keeps the camera's size, whatever stands there.
    return None if preprocessor.get("do_resize") is False else preprocessor.get("size")


def resize_of(preprocessor: Mapping[str, Any]) -> tuple[Resize | None, str | None]:
    """Return the filter that images are resized by, and in one sentence if it is not followed."""
    number = preprocessor.get("resample")
    if number is None or preprocessor.get("do_resize") is False:
        return None, None
    if type(number) is int and number in _FILTERS:
        return _FILTERS[number], None
    return None, (
        f"the processor resizes with Pillow's filter {number!r:.20}, which segpp does not have: "
        "bilinear instead"
    )


def colors_of(preprocessor: Mapping[str, Any]) -> str | None:
    """Return the order of the channels, None without a processor."""
    # transformers opens images as RGB.
    if not preprocessor:
        return None
    return "bgr" if preprocessor.get("do_flip_channel_order") is True else "rgb"


def normalisation_of(
    preprocessor: Mapping[str, Any], channels: int, *, processor: str
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return mean and std per channel on the 0-255 scale, or None if it gives none.

    transformers rescales first and normalises then, (pixel * factor - mean) / std; both in one is
    (pixel - mean / factor) / (std / factor).

    Args:
        preprocessor: What ``preprocessor_config.json`` holds; empty without.
        channels: Of the images.
        processor: What the name of the one begins with whose defaults count.

    Raises:
        CheckpointError: A number is infinite or none.
    """
    if not str(preprocessor.get("image_processor_type", processor)).startswith(processor):
        # Of others the defaults are not known.
        if not {"image_mean", "image_std"} <= preprocessor.keys():
            return None
    elif not preprocessor:
        return None
    mean = _per_channel(preprocessor.get("image_mean", _MEAN), channels)
    std = _per_channel(preprocessor.get("image_std", _STD), channels)
    if preprocessor.get("do_normalize") is False:
        mean, std = [0.0] * channels, [1.0] * channels
    rescale = preprocessor.get("do_rescale", True)
    factor = preprocessor.get("rescale_factor", 1 / 255) if rescale else 1.0
    numbers = [mean, std, [factor]]
    if not all(isinstance(n, list) and all(_is_number(x) for x in n) for n in numbers):
        return None
    if not all(_is_finite(x) for n in numbers for x in n):
        raise CheckpointError(
            "preprocessor_config.json normalises by a number that is none",
            f"image_mean {mean!r:.80}, image_std {std!r:.80}, rescale_factor {factor!r:.40}",
        )
    if not len(mean) == len(std) == channels or min(*std, factor) <= 0:
        return None
    return tuple(_scaled(x, factor) for x in mean), tuple(_scaled(x, factor) for x in std)


def _per_channel(value: Any, channels: int) -> Any:
    return [value] * channels if _is_number(value) else value


def _scaled(value: float, factor: float) -> float:
    # 0.485 * 255 is 123.67499999999998; nobody means the last digits.
    return round(value / factor, 9)


def is_count(value: Any) -> TypeGuard[int]:
    """Whether this is a positive whole number."""
    return type(value) is int and value > 0


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        # A whole number that no float holds.
        return False


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
