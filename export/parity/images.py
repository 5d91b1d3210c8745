"""Images for whatever is measured at an export, as PyTorch takes them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError
from segpp.images.preprocess import IMAGE_SUFFIXES, ImageArray, load_image, prepare
from segpp.manifest import InputSpec

__all__ = ["GateImage", "gate_image", "images_in", "normalised"]

Floats = NDArray[np.float32]


class GateImage(NamedTuple):
    """The image of the parity gate: as the file takes it, and as PyTorch does."""

    path: Path
    fed: NDArray[Any]
    normalised: Floats


def gate_image(path: Path, spec: InputSpec) -> GateImage:
    """Return one image, repeated for every place of the batch.

    Raises:
        ImageError: It cannot be read, or the network takes other channels.
    """
    batch = [_stacked(path, spec)] * spec.batch
    return GateImage(path, prepare(batch, spec), prepare(batch, _floats(spec, spec.batch)))


def normalised(path: Path, spec: InputSpec) -> Floats:
    """Return one image (1, C, H, W), normalised.

    Raises:
        ImageError: It cannot be read, or the network takes other channels.
    """
    image: Floats = prepare([_stacked(path, spec)], _floats(spec, 1))
    return image


def images_in(places: Iterable[Path]) -> tuple[Path, ...]:
    """Return the images among ``places``, where a folder stands for those in it, sorted.

    Raises:
        ImageError: A folder holds none.
    """
    return tuple(image for place in places for image in _images_at(place))


def _images_at(place: Path) -> Sequence[Path]:
    if not place.is_dir():
        return [place]
    found = sorted(p for p in place.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not found:
        raise ImageError(
            f"{place} holds no images", f"looked for: {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return found


def _stacked(path: Path, spec: InputSpec) -> ImageArray:
    image, channels = load_image(path), spec.channels
    if channels % image.shape[2]:
        raise ImageError(
            f"{path} has {image.shape[2]} channels and the network takes {channels}",
            hint="--no-check writes the file without comparing it",
        )
    return np.concatenate([image] * (channels // image.shape[2]), axis=2)


def _floats(spec: InputSpec, batch: int) -> InputSpec:
    shape = (batch, spec.channels, spec.height, spec.width)
    return replace(spec, shape=shape, dtype="float32", layout="NCHW")
