"""Where images come from: a file, a folder, a pattern or a video."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from glob import glob
from pathlib import Path
from typing import Literal

from segpp.errors import ImageError
from segpp.images.preprocess import IMAGE_SUFFIXES, ImageArray, load_image

__all__ = [
    "VIDEO_SUFFIXES",
    "ImageItem",
    "ImageSource",
    "find_source",
    "find_sources",
    "numbered",
]

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}


@dataclass(frozen=True)
class ImageItem:
    """One image that is yet to be read.

    Args:
        name: What its outputs are named after, unique within the source.
        file: Where it comes from, for messages.
        load: Reads it; raises ImageError if that fails.
    """

    name: str
    file: str
    load: Callable[[], ImageArray]


@dataclass(frozen=True)
class ImageSource:
    """A series of images.

    Args:
        kind: One image, several, or a video: frames in the order of time, also a camera's.
        name: What the user calls it, for messages.
        items: Yields the images in order, none of them read yet.
        count: How many, where that is known beforehand.
        files: The files that are read, so that none of them is written over; a camera has none.
        rate: Frames per second of a video.
    """

    kind: Literal["image", "images", "video"]
    name: str
    items: Callable[[], Iterator[ImageItem]]
    count: int | None = None
    files: tuple[Path, ...] = ()
    rate: float | None = None


def find_source(text: str) -> ImageSource:
    """Return what ``text`` names: an image, a video, a folder's images, or a pattern's.

    Nothing is decoded yet, but a video is opened. Folders are read one level deep and in the
    order of names; a pattern may hold ``**``.

    Raises:
        ImageError: There is nothing of the kind, or it is a camera or a stream.
        MissingError: It is a video, and the package av is not installed.
    """
    path = Path(text)
    _check_is_stored(text)
    if path.is_dir():
        return _folder(text)
    if not path.exists() and _is_pattern(text):
        return _pattern(text)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video(path)
    if not path.exists():
        raise ImageError(f"image {path} does not exist")
    return ImageSource("image", text, lambda: _items([path]), count=1, files=(path,))


def _check_is_stored(text: str) -> None:
    # Cameras are named although they may not be plugged in: V4L2's devices, and streams.
    is_live = re.match(r"/dev/(video|v4l)|\w+://", text)
    if is_live or Path(text).is_char_device():
        raise ImageError(
            f"{text} is a device or a stream, and segpp reads files",
            hint="record a video of it and give that, or read its frames in Python and call "
            "what segpp.load returns on each",
        )


def find_sources(texts: Sequence[str]) -> ImageSource:
    """Return what several texts name together, each as for ``find_source``; one for itself.

    An image that two of them name is taken once.

    Raises:
        ImageError: One of them names nothing, or a video beside others.
    """
    if len(texts) == 1:
        return find_source(texts[0])
    if texts and not _exists(texts[-1]):
        # Many commands take their output last.
        raise ImageError(
            f"image {texts[-1]} does not exist", hint=f"if it is to be written: --out {texts[-1]}"
        )
    sources = [find_source(text) for text in texts]
    for text, source in zip(texts, sources, strict=True):
        if source.kind == "video":
            raise ImageError(f"{text} is a video", hint="run one video at a time, and alone")
    if not sources:
        raise ImageError("no image is named")
    files = {file.resolve(): file for source in sources for file in source.files}
    return _many(", ".join(texts), list(files.values()))


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _exists(text: str) -> bool:
    return Path(text).exists() or _is_pattern(text)


def _folder(text: str) -> ImageSource:
    path = Path(text)
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not files:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise ImageError(f"the folder {path} holds no images", f"looked for: {kinds}")
    return _many(text, files)


def _pattern(text: str) -> ImageSource:
    # Path.glob takes no absolute pattern.
    names = glob(text, recursive=True)  # noqa: PTH207
    files = sorted(path for name in names if (path := Path(name)).is_file())
    if not files:
        raise ImageError(f"no file matches {text}", hint="quote the pattern: 'street/*.png'")
    return _many(text, files)


def _many(text: str, files: list[Path]) -> ImageSource:
    return ImageSource("images", text, lambda: _items(files), count=len(files), files=tuple(files))


def _items(files: Sequence[Path]) -> Iterator[ImageItem]:
    for name, path in zip(_names(files), files, strict=True):
        yield ImageItem(name, str(path), partial(load_image, path))


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
        "video",
        str(path),
        lambda: numbered(str(path), frames(path)),
        count=info.frames,
        files=(path,),
        rate=info.rate,
    )


def numbered(name: str, frames: Iterable[ImageArray | ImageError]) -> Iterator[ImageItem]:
    """Yield frames as items; damage surfaces when an item is loaded.

    Args:
        name: Where they come from, for messages.
        frames: RGB (H, W, 3), or an error for one that is damaged.
    """
    for number, image in enumerate(_to_the_end(frames), start=1):
        yield ImageItem(f"frame-{number:06d}", name, partial(_or_raise, image))


def _to_the_end(images: Iterable[ImageArray | ImageError]) -> Iterator[ImageArray | ImageError]:
    """Yield also the error that ends a video, as one more damaged frame."""
    try:
        yield from images
    except ImageError as failure:
        yield failure


def _or_raise(image: ImageArray | ImageError) -> ImageArray:
    if isinstance(image, ImageError):
        raise image
    return image
