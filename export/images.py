"""Images for whatever is measured at an export, as PyTorch takes them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.certificate.pictures import Picture
from segpp.errors import ImageError
from segpp.images import sample_image
from segpp.images.channels import ARRAY_SUFFIX, load_for
from segpp.images.preprocess import IMAGE_SUFFIXES, ImageArray, prepare
from segpp.manifest import InputSpec
from segpp.utils.files import sha256_of

__all__ = [
    "MADE",
    "ParityImage",
    "SearchImage",
    "drawn_parity_image",
    "images_in",
    "made_image",
    "made_parity_image",
    "normalized_image",
    "read_parity_image",
    "search_images",
]

Floats = NDArray[np.float32]

# What stands in a manifest in the place of a file's name.
MADE = "made image"

_WAVES = 6
_READ = {*IMAGE_SUFFIXES, ARRAY_SUFFIX}


@dataclass(frozen=True)
class ParityImage:
    """The image of the parity check, repeated for every place of the batch.

    Attributes:
        name: Of the file.
        sha256: Of the file.
        input: As the exported file takes it.
        normalized: As PyTorch takes it, (B, channels, H, W).
    """

    name: str
    sha256: str
    input: NDArray[Any]
    normalized: Floats


def read_parity_image(path: Path, spec: InputSpec, *, fed: InputSpec | None = None) -> ParityImage:
    """Return one image as a batch.

    Args:
        path: The image.
        spec: The input, with the mean and std of training.
        fed: The input as the file takes it, where that is something else.

    Raises:
        ImageError: It cannot be read, or the network takes other channels.
    """
    given, normalized = _both(_stacked(path, spec), spec, fed or spec)
    return ParityImage(path.name, sha256_of(path), given, normalized)


def made_parity_image(spec: InputSpec, *, fed: InputSpec | None = None) -> ParityImage:
    """Return a made image as a batch, for networks that take other channels than a photograph has.

    Every channel is a sum of slow waves of its own with a little grain: regions and edges, and no
    two pixels alike. It is the same for the same size and channels.

    Args:
        spec: The input of the network.
        fed: The input as the file takes it, where that is something else.
    """
    image = _waves(spec)
    given, normalized = _both(image, spec, fed or spec)
    return ParityImage(MADE, hashlib.sha256(image.tobytes()).hexdigest(), given, normalized)


def drawn_parity_image(picture: Picture, spec: InputSpec, *, fed: InputSpec) -> ParityImage:
    """Return a picture of a certificate as a batch.

    Args:
        picture: It has the network's channels.
        spec: The input, with the mean and std of training.
        fed: The input as the file takes it.
    """
    given, normalized = _both(picture.pixels, spec, fed)
    return ParityImage(picture.name, hashlib.sha256(picture.file).hexdigest(), given, normalized)


def made_image(spec: InputSpec) -> Floats:
    """Return the same image as ``made_parity_image`` alone, (1, C, H, W), normalised."""
    image: Floats = prepare([_waves(spec)], _float_spec(spec, 1))
    return image


def _both(image: ImageArray, spec: InputSpec, fed: InputSpec) -> tuple[NDArray[Any], Floats]:
    """Return an image as the file takes it and as PyTorch does, as a batch.

    Where the file resizes pictures of a camera's size itself, PyTorch gets what Pillow makes of
    such a picture.
    """
    batch = [image] * spec.batch
    given = prepare(batch, fed)
    resizes = (fed.height, fed.width) != (spec.height, spec.width)
    seen = list(given) if resizes else batch
    inside = replace(_float_spec(spec, spec.batch), fit="stretch" if resizes else spec.fit)
    return given, prepare(seen, inside)


def _waves(spec: InputSpec) -> ImageArray:
    draw = np.random.default_rng(0)
    height, width = spec.height, spec.width
    rows, columns = np.mgrid[0 : 1 : complex(height), 0 : 1 : complex(width)]
    planes = []
    for _ in range(spec.channels):
        waves = [
            np.sin(2 * np.pi * (fy * rows + fx * columns + shift))
            for fy, fx, shift in draw.uniform((-4, -4, 0), (4, 4, 1), (_WAVES, 3))
        ]
        plane = sum(waves) / _WAVES + draw.normal(0, 0.03, (height, width))
        planes.append(np.clip(127.5 * (1 + 1.5 * plane), 0, 255))
    return np.stack(planes, 2).astype(np.uint8)


def normalized_image(path: Path, spec: InputSpec) -> Floats:
    """Return one image (1, C, H, W), normalised.

    Raises:
        ImageError: It cannot be read, or the network takes other channels.
    """
    image: Floats = prepare([_stacked(path, spec)], _float_spec(spec, 1))
    return image


@dataclass(frozen=True)
class SearchImage:
    """An image for a measurement before there is a file; read each time that it is drawn.

    Attributes:
        path: None for a made one.
        spec: What the network takes.
    """

    path: Path | None
    spec: InputSpec

    @property
    def name(self) -> str:
        """Of the file, as in a manifest."""
        if self.path is None:
            return MADE
        return "the bundled picture" if self.path == sample_image() else self.path.name

    def draw(self) -> Floats:
        """Return it (1, C, H, W), normalised."""
        return (
            made_image(self.spec) if self.path is None else normalized_image(self.path, self.spec)
        )

    def sha256(self) -> str:
        """Of the file, or of the made image's bytes."""
        if self.path is None:
            return hashlib.sha256(_waves(self.spec).tobytes()).hexdigest()
        return sha256_of(self.path)


def search_images(places: Iterable[Path], spec: InputSpec) -> tuple[SearchImage, ...]:
    """Return the images of files and folders, or a made one where there is none.

    Raises:
        ImageError: A folder holds none.
    """
    found = tuple(SearchImage(path, spec) for path in images_in(places))
    return found or (SearchImage(None, spec),)


def images_in(places: Iterable[Path]) -> tuple[Path, ...]:
    """Return the images among ``places``, where a folder stands for those in it, sorted.

    Raises:
        ImageError: A folder holds none.
    """
    return tuple(image for place in places for image in _images_at(place))


def _images_at(place: Path) -> Sequence[Path]:
    if not place.is_dir():
        return [place]
    inside = sorted(place.iterdir())
    images = [path for path in inside if path.suffix.lower() in _READ and path.is_file()]
    if not images:
        raise ImageError(f"{place} holds no images", f"looked for: {', '.join(sorted(_READ))}")
    return images


def _stacked(path: Path, spec: InputSpec) -> ImageArray:
    if path == sample_image():
        # What is said of the caller's files is not true of the bundled one.
        spec = replace(spec, white=None, bands=None)
    image = load_for(path, spec)
    # A network of several frames sees the same one in each.
    return np.concatenate([image] * (spec.channels // image.shape[2]), axis=2)


def _float_spec(spec: InputSpec, batch: int) -> InputSpec:
    shape = (batch, spec.channels, spec.height, spec.width)
    return replace(spec, shape=shape, dtype="float32", layout="NCHW")
