"""Where images come from: a file, a folder, a pattern or a video."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from glob import glob
from pathlib import Path
from typing import Literal

from segpp.errors import ImageError
from segpp.images.channels import ARRAY_SUFFIX, load_channels, to_gray
from segpp.images.preprocess import IMAGE_SUFFIXES, ImageArray

__all__ = ["VIDEO_SUFFIXES", "ImageItem", "ImageSource", "find_source"]

# What is looked for in a folder.
_READ = IMAGE_SUFFIXES | {ARRAY_SUFFIX}

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}


@dataclass(frozen=True)
class ImageItem:
    """One image that is yet to be read.

    Args:
        name: What its outputs are named after, unique within the source.
        file: Where it comes from, for messages.
        load: Reads it, with as many channels as it is told or else 3; raises ImageError if that
            fails.
    """

    name: str
    file: str
    load: Callable[..., ImageArray]


@dataclass(frozen=True)
class ImageSource:
    """A series of images.

    Args:
        kind: One image, several, or a video.
        count: How many, where that is known beforehand.
        files: The files that are read, so that none of them is written over.
        rate: Frames per second of a video.
        items: Yields the images in order, none of them read yet.
    """

    kind: Literal["image", "images", "video"]
    count: int | None
    files: tuple[Path, ...]
    rate: float | None
    items: Callable[[], Iterator[ImageItem]]


def find_source(text: str) -> ImageSource:
    """Return what ``text`` names: an image, a video, a folder's images, or a pattern's.

    Nothing is decoded yet, but a video is opened. Folders are read one level deep and in the
    order of names; a pattern may hold ``**``.

    Raises:
        ImageError: There is nothing of the kind.
        MissingError: It is a video, and the package av is not installed.
    """
    path = Path(text)
    if path.is_dir():
        return _folder(path)
    if not path.exists() and any(sign in text for sign in "*?["):
        return _pattern(text)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video(path)
    if not path.exists():
        raise ImageError(f"image {path} does not exist")
    return ImageSource("image", 1, (path,), None, lambda: _items([path]))


def _folder(path: Path) -> ImageSource:
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in _READ and p.is_file())
    if not files:
        kinds = ", ".join(sorted(_READ))
        raise ImageError(f"the folder {path} holds no images", f"looked for: {kinds}")
    return _many(files)


def _pattern(text: str) -> ImageSource:
    # Path.glob takes no absolute pattern.
    names = glob(text, recursive=True)  # noqa: PTH207
    files = sorted(path for name in names if (path := Path(name)).is_file())
    if not files:
        raise ImageError(f"no file matches {text}", hint="quote the pattern: 'street/*.png'")
    return _many(files)


def _many(files: list[Path]) -> ImageSource:
    return ImageSource("images", len(files), tuple(files), None, lambda: _items(files))


def _items(files: Sequence[Path]) -> Iterator[ImageItem]:
    for name, path in zip(_names(files), files, strict=True):
        yield ImageItem(name, str(path), partial(load_channels, path))


def _names(files: Sequence[Path]) -> list[str]:
    """Return one name per file: its stem, or more of its path where stems repeat."""
    for names in ([path.stem for path in files], [path.name for path in files]):
        if len(set(names)) == len(names):
            return names
    # x/a.png and y/a.png: x__a.png and y__a.png.
    names = ["__".join(part for part in path.parts if part != path.anchor) for path in files]
    if len(set(names)) != len(names):
        raise ImageError("two of the images would have outputs of one name")
    return names


def _video(path: Path) -> ImageSource:
    from segpp.runtime.media.video import frames, probe  # noqa: PLC0415 - only a video needs PyAV

    info = probe(path)
    return ImageSource(
        "video", info.frames, (path,), info.rate, lambda: _numbered(path, frames(path))
    )


def _numbered(path: Path, images: Iterator[ImageArray | ImageError]) -> Iterator[ImageItem]:
    """Yield the frames as items; damage surfaces when an item is loaded."""
    for number, image in enumerate(_to_the_end(images), start=1):
        yield ImageItem(f"frame-{number:06d}", str(path), partial(_or_raise, image))


def _to_the_end(images: Iterator[ImageArray | ImageError]) -> Iterator[ImageArray | ImageError]:
    """Yield also the error that ends a video, as one more damaged frame."""
    try:
        yield from images
    except ImageError as failure:
        yield failure


def _or_raise(image: ImageArray | ImageError, channels: int = 3) -> ImageArray:
    if isinstance(image, ImageError):
        raise image
    return to_gray(image) if channels == 1 else image
