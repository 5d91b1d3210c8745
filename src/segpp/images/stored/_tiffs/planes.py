"""Pages of a TIFF that are channels of one picture, as OME, ImageJ and tifffile describe them."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress

__all__ = ["planes_in"]

_MOST_CHANNELS = 1024
_OME = re.compile(r"<(?:\w+:)?Pixels\b([^>]*)>")
_ATTRIBUTE = re.compile(r'\b(DimensionOrder|Size[CZT])="(\w{1,9})"')
_IMAGEJ = re.compile(r"^(channels|slices|frames|images)=(\d{1,9})\s*$", re.MULTILINE)


def planes_in(description: str, samples: Sequence[int]) -> int:
    """Return how many pages in a row are one picture: 1 unless it is said without doubt.

    Args:
        description: What stands in the first page.
        samples: How many channels each page has by itself.
    """
    channels = _channels(description or "", len(samples))
    fits = 1 < channels <= _MOST_CHANNELS and len(samples) % channels == 0
    return channels if fits and {*samples} == {1} else 1


def _channels(description: str, pages: int) -> int:
    if description.startswith("ImageJ="):
        sizes = {name: int(value) for name, value in _IMAGEJ.findall(description)}
        channels = sizes.get("channels", 1)
        others = sizes.get("slices", 1) * sizes.get("frames", 1)
        return channels if channels * others == pages else 1
    if description.startswith("{"):
        with suppress(ValueError, TypeError, AttributeError):
            return _shaped(json.loads(description), pages)
        return 1
    images = _OME.findall(description)
    return _ome(dict(_ATTRIBUTE.findall(images[0])), pages) if len(images) == 1 else 1


def _ome(said: dict[str, str], pages: int) -> int:
    """Return the channels of OME-XML, if they change from page to page before all else does."""
    texts = {axis: said.get(f"Size{axis}", "") for axis in "CZT"}
    sizes = {axis: int(text) for axis, text in texts.items() if text.isdecimal()}
    order = [axis for axis in said.get("DimensionOrder", "")[2:] if sizes.get(axis, 1) > 1]
    product = sizes.get("C", 1) * sizes.get("Z", 1) * sizes.get("T", 1)
    return sizes["C"] if order[:1] == ["C"] and product == pages else 1


def _shaped(said: dict[str, object], pages: int) -> int:
    """Return the channels of tifffile's own notes: ``{"shape": [3, 90, 120], "axes": "CYX"}``."""
    axes, shape = str(said.get("axes", "")), said.get("shape")
    if not isinstance(shape, list) or len(axes) != len(shape) or axes[-3:] != "CYX":
        return 1
    return int(shape[-3]) if all(isinstance(side, int) for side in shape) and pages > 1 else 1
