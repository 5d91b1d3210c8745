"""Where images come from: a file, a folder, a pattern, a video, a camera or a stream."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from glob import glob
from pathlib import Path

from segpp.errors import ImageError, MissingError
from segpp.images.channels import ARRAY_SUFFIX
from segpp.images.preprocess import IMAGE_SUFFIXES
from segpp.runtime.media.files import items_of, names_of, page_items, pages_in, pictures_in
from segpp.runtime.media.films.cut import WHOLE, Cut
from segpp.runtime.media.films.kinds import VIDEO_SUFFIXES, is_film, kind_of_content
from segpp.runtime.media.films.sequence import USUAL_RATE, is_sequence, open_sequence
from segpp.runtime.media.films.several import Part, together
from segpp.runtime.media.items import ImageSource, numbered
from segpp.runtime.media.live.addresses import is_live, open_live
from segpp.runtime.media.live.reader import LiveConfig
from segpp.runtime.media.live.rtsp import without_password

__all__ = [
    "find_source",
    "find_sources",
    "is_video",
]

# What is looked for in a folder.
_READ = IMAGE_SUFFIXES | {ARRAY_SUFFIX}

_AS_IT_IS = LiveConfig()


def is_video(text: str) -> bool:
    """Return whether a text names frames: of a film, a camera, a stream or numbered pictures."""
    return is_live(text) or is_sequence(text) or is_film(Path(text))


def find_source(text: str, live: LiveConfig = _AS_IT_IS, cut: Cut = WHOLE) -> ImageSource:
    """Return what ``text`` names: an image, a video, a folder's images, a pattern's, or a camera's.

    Nothing is decoded yet, but a video is opened, and a camera or a stream is read from now on.
    Folders are read one level deep and in the order of names; a pattern may hold ``**``. Every page
    or frame of a file is an image of its own.

    Args:
        text: A path, a pattern, numbered pictures (``frames/%06d.png``), or the address of a
            camera or a stream.
        live: How the latter is read.
        cut: The part of a video that is wanted.

    Raises:
        ImageError: There is nothing of the kind.
        MissingError: It is a video, a camera or a stream, and what reads it is not installed.
    """
    # Before the disk: cameras are named although they may not be plugged in.
    if is_live(text):
        return open_live(text, live)
    if is_sequence(text):
        return open_sequence(text, live.rate or USUAL_RATE, cut)
    files, notes = _files(text)
    if len(files) > 1 or Path(text) != files[0]:
        return _many(text, files, cut, notes)
    if _is_video(files[0]):
        return _video(files[0], cut)
    return _pictures(text, files, notes, alone=True)


def find_sources(
    texts: Sequence[str], live: LiveConfig = _AS_IT_IS, cut: Cut = WHOLE
) -> ImageSource:
    """Return what several texts name together, each as for ``find_source``; one for itself.

    An image that two of them name is taken once. What one of them does not name fails alone.

    Raises:
        ImageError: None of them names anything, or one a camera or a stream beside others.
    """
    if len(texts) == 1:
        return find_source(texts[0], live, cut)
    for text in filter(is_live, texts):
        raise ImageError(f"{without_password(text)} is a camera or a stream", hint="run it alone")
    if not texts:
        raise ImageError("no image is named")
    parts: list[Part] = []
    notes: tuple[str, ...] = ()
    for text in texts:
        try:
            found, told = _parts(text, live, cut)
            parts, notes = parts + found, notes + told
        except ImageError as failure:  # noqa: PERF203 - one bad name must not end the others
            parts.append(Part(text, failure=_told(failure, text, is_last=text is texts[-1])))
    failures = [part.failure for part in parts if part.failure]
    if len(failures) == len(parts):
        raise failures[0]
    return _together(", ".join(texts), parts, notes)


def _parts(text: str, live: LiveConfig, cut: Cut) -> tuple[list[Part], tuple[str, ...]]:
    if is_sequence(text):
        sequence = open_sequence(text, live.rate or USUAL_RATE, cut)
        return [Part(text, open=lambda: sequence)], ()
    files, notes = _files(text)
    return [_part(file, cut) for file in files], notes


def _part(file: Path, cut: Cut) -> Part:
    if is_film(file):
        return Part(str(file), file, open=partial(_video, file, cut))
    return Part(str(file), file, pages=partial(page_items, file))


def _told(failure: ImageError, text: str, *, is_last: bool) -> ImageError:
    if not is_last or _exists(text):
        return failure
    # Many commands take their output last.
    return ImageError(failure.problem, hint=f"if it is to be written: --out {text}")


def _files(text: str) -> tuple[list[Path], tuple[str, ...]]:
    """Return the pictures and films that a text names, and what is to be said of others there."""
    path = Path(text)
    if path.is_dir():
        return pictures_in(path, also=_is_wanted_film)
    if not path.exists() and _is_pattern(text):
        return _pattern(text), ()
    if not path.exists():
        kind = "video" if is_film(path) else "image"
        raise ImageError(f"{kind} {path} does not exist")
    return [path], ()


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _exists(text: str) -> bool:
    return Path(text).exists() or _is_pattern(text)


def _is_wanted_film(file: Path) -> bool:
    """Return whether a file of a folder is a film, under any name; of others nothing is guessed."""
    return file.suffix.lower() in VIDEO_SUFFIXES or kind_of_content(file) == "film"


def _pattern(text: str) -> list[Path]:
    # Path.glob takes no absolute pattern.
    names = glob(text, recursive=True)  # noqa: PTH207
    files = sorted(path for name in names if (path := Path(name)).is_file())
    if not files:
        raise ImageError(f"no file matches {text}", hint="quote the pattern: 'street/*.png'")
    return files


def _many(text: str, files: list[Path], cut: Cut, notes: tuple[str, ...]) -> ImageSource:
    if any(map(is_film, files)):
        return _together(text, [_part(file, cut) for file in files], notes)
    return _pictures(text, files, notes, alone=False)


def _pictures(
    text: str, files: Sequence[Path], notes: tuple[str, ...], *, alone: bool
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


def _together(text: str, parts: Sequence[Part], notes: tuple[str, ...]) -> ImageSource:
    once: dict[Path | str, Part] = {}
    for part in parts:
        once.setdefault(part.file.resolve() if part.file else part.text, part)
    kept = list(once.values())
    names = names_of([part.file or Path(part.text) for part in kept])
    return replace(together(text, kept, names), notes=notes)


def _is_video(path: Path) -> bool:
    """Return whether a file is a film, and where neither content nor ending tells, ask FFmpeg."""
    if is_film(path):
        return True
    if path.suffix.lower() in _READ or kind_of_content(path):
        return False
    from segpp.runtime.media.video import probe  # noqa: PLC0415 - only a video needs PyAV

    try:
        probe(path)
    except (ImageError, MissingError):
        return False
    return True


def _video(path: Path, cut: Cut) -> ImageSource:
    from segpp.runtime.media.video import frames, probe  # noqa: PLC0415 - only a video needs PyAV

    info = probe(path)
    return ImageSource(
        "video",
        str(path),
        lambda: numbered(str(path), frames(path, cut)),
        count=info.frames if cut.is_whole else None,
        files=(path,),
        rate=info.rate,
        film=path,
        is_whole=not cut.ends,
    )
