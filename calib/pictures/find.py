"""Pictures to calibrate on: found, told apart by what is in them, and read for the network."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segpp.datasets.sources import paths_of
from segpp.errors import ImageError, InputError
from segpp.images.channels import load_for
from segpp.images.preprocess import ImageArray
from segpp.manifest import InputSpec
from segpp.utils.files import check_file, sha256_of

__all__ = ["FEW", "LEAST", "Picture", "find_pictures", "load_picture"]

# Fewer say too little about ranges to ship anything; and below the other, they are warned about.
LEAST = 8
FEW = 100


@dataclass(frozen=True)
class Picture:
    """One file that holds a picture, and what identifies it.

    Attributes:
        path: The file.
        sha256: Of its bytes.
    """

    path: Path
    sha256: str

    @property
    def name(self) -> str:
        """Of the file, without its folder."""
        return self.path.name


def find_pictures(sources: Iterable[str | Path], suffix: str = "") -> tuple[Picture, ...]:
    """Return the pictures that folders, patterns, lists and files name, each once, sorted by name.

    A folder is read one level deep; a ``.txt`` file has a path a line, relative to its own folder.

    Args:
        sources: Of pictures.
        suffix: What names end in ("_leftImg8bit"); pictures without it are passed over.

    Raises:
        ImageError: One of the sources names no picture.
        InputError: There are fewer than ``LEAST``.
    """
    found = [path for source in sources for path in paths_of(str(source))]
    paths = [path for path in found if path.stem.endswith(suffix)]
    pictures: dict[str, Picture] = {}
    for path in sorted(paths, key=lambda path: (path.name, str(path))):
        check_file(path, kind="image", error=ImageError)
        digest = sha256_of(path)
        # A copy would count twice.
        pictures.setdefault(digest, Picture(path, digest))
    if len(pictures) < LEAST:
        raise InputError(
            f"{len(pictures)} different picture(s) are too few to calibrate on",
            f"at least {LEAST} are needed; from {FEW} on the ranges are dependable",
            hint=_passed_over(len(found) - len(paths), suffix),
        )
    return tuple(pictures.values())


def _passed_over(count: int, suffix: str) -> str | None:
    return f"{count} were passed over: their names do not end in {suffix!r}" if count else None


def load_picture(picture: Picture, spec: InputSpec) -> ImageArray:
    """Return a picture (H, W, C) as an input takes it.

    Raises:
        ImageError: It cannot be read, or all of it has one colour: a cover, a lost frame.
    """
    image = load_for(picture.path, spec)
    if np.all(image == image[:1, :1]):
        raise ImageError(
            f"{picture.path} has one colour, {image[0, 0].tolist()}",
            hint="calibrate on pictures as the camera gives them; leave this one out",
        )
    return image
