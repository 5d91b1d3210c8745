"""Where images come from: a file, a folder, a pattern, a video, a camera or a stream."""

from collections.abc import Iterator, Sequence
from functools import partial
from glob import glob
from pathlib import Path

from segpp.errors import ImageError
from segpp.images.channels import ARRAY_SUFFIX, load_channels
from segpp.images.preprocess import IMAGE_SUFFIXES
from segpp.runtime.media.items import ImageItem, ImageName, ImageSource, numbered
from segpp.runtime.media.live.addresses import is_live, open_live
from segpp.runtime.media.live.reader import LiveConfig
from segpp.runtime.media.live.rtsp import without_password

__all__ = [
    "VIDEO_SUFFIXES",
    "find_source",
    "find_sources",
]

# What is looked for in a folder.
_READ = IMAGE_SUFFIXES | {ARRAY_SUFFIX}

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}


_AS_IT_IS = LiveConfig()


def find_source(text: str, live: LiveConfig = _AS_IT_IS) -> ImageSource:
    """Return what ``text`` names: an image, a video, a folder's images, a pattern's, or a camera's.

    Nothing is decoded yet, but a video is opened, and a camera or a stream is read from now on.
    Folders are read one level deep and in the order of names; a pattern may hold ``**``.

    Args:
        text: A path, a pattern, or the address of a camera or a stream.
        live: How the latter is read.

    Raises:
        ImageError: There is nothing of the kind.
        MissingError: It is a video, a camera or a stream, and what reads it is not installed.
    """
    path = Path(text)
    # Before the disk: cameras are named although they may not be plugged in.
    if is_live(text):
        return open_live(text, live)
    if path.is_dir():
        return _folder(text)
    if not path.exists() and _is_pattern(text):
        return _pattern(text)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video(path)
    if not path.exists():
        raise ImageError(f"image {path} does not exist")
    return ImageSource("image", text, lambda: _items([path]), count=1, files=(path,))


def find_sources(texts: Sequence[str], live: LiveConfig = _AS_IT_IS) -> ImageSource:
    """Return what several texts name together, each as for ``find_source``; one for itself.

    An image that two of them name is taken once.

    Raises:
        ImageError: One of them names nothing, or a video, a camera or a stream beside others.
    """
    if len(texts) == 1:
        return find_source(texts[0], live)
    for text in filter(is_live, texts):
        raise ImageError(f"{without_password(text)} is a camera or a stream", hint="run it alone")
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
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in _READ and p.is_file())
    if not files:
        kinds = ", ".join(sorted(_READ))
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
        yield ImageItem(ImageName(name, str(path)), partial(load_channels, path))


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
