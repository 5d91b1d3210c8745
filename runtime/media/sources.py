"""Where images come from: a file, a folder, a pattern, a video, a camera or a stream."""

from collections.abc import Sequence
from glob import glob
from pathlib import Path

from segpp.errors import ImageError
from segpp.runtime.media.files import items_of, pages_in, pictures_in
from segpp.runtime.media.items import ImageSource, numbered
from segpp.runtime.media.live.addresses import is_live, open_live
from segpp.runtime.media.live.reader import LiveConfig
from segpp.runtime.media.live.rtsp import without_password

__all__ = [
    "VIDEO_SUFFIXES",
    "find_source",
    "find_sources",
]

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}


_AS_IT_IS = LiveConfig()


def find_source(text: str, live: LiveConfig = _AS_IT_IS) -> ImageSource:
    """Return what ``text`` names: an image, a video, a folder's images, a pattern's, or a camera's.

    Nothing is decoded yet, but a video is opened, and a camera or a stream is read from now on.
    Folders are read one level deep and in the order of names; a pattern may hold ``**``. Every page
    or frame of a file is an image of its own.

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
    return _many(text, [path])


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
    notes = tuple(note for source in sources for note in source.notes)
    return _many(", ".join(texts), list(files.values()), notes, alone=False)


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _exists(text: str) -> bool:
    return Path(text).exists() or _is_pattern(text)


def _folder(text: str) -> ImageSource:
    files, notes = pictures_in(Path(text))
    return _many(text, files, notes, alone=False)


def _pattern(text: str) -> ImageSource:
    # Path.glob takes no absolute pattern.
    names = glob(text, recursive=True)  # noqa: PTH207
    files = sorted(path for name in names if (path := Path(name)).is_file())
    if not files:
        raise ImageError(f"no file matches {text}", hint="quote the pattern: 'street/*.png'")
    return _many(text, files, alone=False)


def _many(
    text: str, files: Sequence[Path], notes: tuple[str, ...] = (), *, alone: bool = True
) -> ImageSource:
    """Return the images of files; one that was named alone is an image, if it has one page."""
    pages = pages_in(files)
    count = sum(pages)
    return ImageSource(
        "image" if alone and count == 1 else "images",
        text,
        lambda: items_of(files, pages),
        count=count,
        files=tuple(files),
        notes=notes,
    )


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
