"""Masks and overlays on the disk: where they go, checked early, and how they are written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import OutputError
from segpp.images.palette import Color, colorize, overlay
from segpp.images.preprocess import IMAGE_SUFFIXES, ImageArray
from segpp.runtime.media.sources import VIDEOS, Source
from segpp.runtime.media.video import VideoWriter
from segpp.utils.files import atomic_write, check_writable

__all__ = ["KINDS", "Place", "RenderConfig", "check_place", "open_writer", "place_for"]

# what --save says -> what is written
KINDS = {"overlay": ("overlay",), "mask": ("mask",), "both": ("overlay", "mask")}

_JPEG = {".jpg", ".jpeg"}
_VIDEO = ".mp4"
_WRITTEN = {".png", *_JPEG, _VIDEO}
_UINT8_CLASSES = 256

Write = Callable[[str, ImageArray, NDArray[Any]], list[Path]]


@dataclass(frozen=True)
class RenderConfig:
    """How the labels are shown."""

    kinds: tuple[str, ...]
    palette: tuple[Color, ...]
    alpha: float


@dataclass(frozen=True)
class Place:
    """Where the outputs go: one file, or a folder that gets one file per image and kind."""

    path: Path
    one_file: bool

    def names(self, item: str, kinds: tuple[str, ...]) -> list[Path]:
        """Return the files for one image."""
        if self.one_file:
            return [self.path]
        return [self.path / f"{item}.{kind}.png" for kind in kinds]


def place_for(out: str, source: Source, kinds: tuple[str, ...]) -> Place:
    """Return where ``--out`` points, given what goes there.

    Raises:
        OutputError: A file is named where several belong, or its format does not fit.
    """
    path, suffix = Path(out), Path(out).suffix.lower()
    if suffix in (IMAGE_SUFFIXES | VIDEOS) - _WRITTEN:
        raise OutputError(f"cannot write {path}", f"written are: {', '.join(sorted(_WRITTEN))}")
    if out.endswith("/") or path.is_dir() or suffix not in _WRITTEN:
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path} is a file", hint="give a folder, or a name ending in .png")
        return Place(path, one_file=False)
    if source.kind == "images" or len(kinds) > 1:
        what = "several images" if source.kind == "images" else "a mask and an overlay"
        raise OutputError(f"{what} do not fit into {path}", hint="give a folder")
    if (source.kind == "video") != (suffix == _VIDEO):
        raise OutputError(
            f"a {source.kind} cannot become {path}",
            hint="name a .png for an image, a .mp4 for a video, or a folder",
        )
    if kinds == ("mask",) and suffix in _JPEG:
        raise OutputError(f"{path} would lose class numbers: JPEG", hint="name a .png")
    return Place(path, one_file=True)


def check_place(place: Place, source: Source) -> None:
    """Find out now, before the network runs, whether the outputs can be written.

    Raises:
        OutputError: They cannot, or would replace what is read.
    """
    folder = source.files[0].resolve().parent
    if place.one_file:
        if place.path.resolve() in {file.resolve() for file in source.files}:
            raise OutputError(f"{place.path} is the input itself", hint="write to another file")
        check_writable(place.path)
        return
    if source.kind == "images" and place.path.resolve() == folder:
        # A second run would take the masks of the first for images.
        raise OutputError(f"{place.path} holds the input images", hint="write to another folder")
    existing = next(path for path in (place.path, *place.path.absolute().parents) if path.exists())
    check_writable(existing / "segpp-run")


@contextmanager
def open_writer(place: Place, look: RenderConfig, *, rate: float | None) -> Iterator[Write]:
    """Yield a function that writes one image's outputs and returns their paths.

    Args:
        rate: Frames per second, for a video.
    """
    if place.one_file and rate is not None and place.path.suffix.lower() == _VIDEO:
        with _video_writer(place.path, look, rate) as write:
            yield write
        return
    if not place.one_file:
        _make_folder(place.path)

    def write_files(name: str, image: ImageArray, labels: NDArray[Any]) -> list[Path]:
        paths = place.names(name, look.kinds)
        with atomic_write(*paths) as parts:
            for kind, path, part in zip(look.kinds, paths, parts, strict=True):
                _save(_picture(kind, image, labels, look), path.suffix.lower(), part)
        return paths

    yield write_files


@contextmanager
def _video_writer(path: Path, look: RenderConfig, rate: float) -> Iterator[Write]:
    with atomic_write(path) as (part,), VideoWriter(part, rate) as video:

        def write_frame(_: str, image: ImageArray, labels: NDArray[Any]) -> list[Path]:
            [kind] = look.kinds
            video.write(_painted(kind, image, labels, look))
            return [path]

        yield write_frame


def _painted(kind: str, image: ImageArray, labels: NDArray[Any], look: RenderConfig) -> ImageArray:
    if kind == "overlay":
        return overlay(image, labels, look.palette, look.alpha)
    return colorize(labels, look.palette)


def _picture(kind: str, image: ImageArray, labels: NDArray[Any], look: RenderConfig) -> Image.Image:
    if kind == "overlay":
        return Image.fromarray(_painted(kind, image, labels, look))
    if labels.dtype != np.uint8:
        # A palette has 256 entries; 16 bits of grey hold the numbers of any class list.
        return Image.fromarray(labels.astype(np.uint16))
    mask = Image.fromarray(labels).convert("L")
    # Attaching a palette makes it mode P; the pixels stay the class numbers. All 256 entries,
    # or Pillow packs the numbers into fewer bits and the ignored 255 becomes a class.
    table = [*look.palette, *[(0, 0, 0)] * _UINT8_CLASSES][:_UINT8_CLASSES]
    mask.putpalette([value for colour in table for value in colour])
    return mask


def _save(picture: Image.Image, suffix: str, part: Path) -> None:
    if suffix in _JPEG:
        picture.save(part, format="JPEG", quality=95, subsampling=0)
    else:
        # Level 1 is several times faster than the default and costs a seventh in size.
        picture.save(part, format="PNG", compress_level=1)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        reason = failure.strerror or str(failure)
        raise OutputError(f"cannot make the folder {path}", reason) from failure
