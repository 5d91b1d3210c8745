"""Pictures and films together: one series, in which each film has a folder of its own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from segpp.errors import ImageError, SegppError
from segpp.runtime.media.items import ImageItem, ImageName, ImageSource

__all__ = ["Part", "together"]


@dataclass(frozen=True)
class Part:
    """A picture, a film, or what could not be found.

    Args:
        text: What the user calls it.
        file: The file that is read; None of several or none.
        pages: Its pages by the name of their outputs, if it is a picture.
        open: Opens it, if it is a film.
        failure: Why there is nothing to read.
    """

    text: str
    file: Path | None = None
    pages: Callable[[str], Iterator[ImageItem]] | None = None
    open: Callable[[], ImageSource] | None = None
    failure: SegppError | None = None


def together(name: str, parts: Sequence[Part], names: Sequence[str]) -> ImageSource:
    """Return a series of all parts; a film is opened when it is its turn.

    What cannot be found, opened or read fails alone.

    Args:
        name: What the user calls all of it.
        parts: In order.
        names: What the outputs of each are named after; of a film, their folder.
    """
    named = list(zip(names, parts, strict=True))
    has_films = any(part.open for part in parts)
    return ImageSource(
        "images",
        name,
        lambda: (item for called, part in named for item in _items(called, part)),
        count=None if has_films else len(parts),
        files=tuple(part.file for part in parts if part.file),
        names=tuple(called for called, part in named if part.pages),
        has_films=has_films,
    )


def _items(called: str, part: Part) -> Iterator[ImageItem]:
    if part.pages:
        yield from part.pages(called)
    elif part.open:
        yield from _frames(called, part.text, part.open)
    else:
        yield _failed(called, part.text, part.failure or ImageError(f"{part.text} is missing"))


def _frames(called: str, text: str, open_film: Callable[[], ImageSource]) -> Iterator[ImageItem]:
    is_empty = True
    try:
        for item in open_film().items():
            is_empty = False
            yield replace(item, named=replace(item.named, name=f"{called}/{item.name}"))
    except SegppError as failure:
        yield _failed(called, text, failure)
        return
    if is_empty:
        yield _failed(called, text, ImageError(f"the video {text} has no frames"))


def _failed(called: str, text: str, failure: SegppError) -> ImageItem:
    # What is not installed for one kind must not end the others.
    told = ImageError(failure.problem, *failure.facts, hint=failure.hint)
    return ImageItem(ImageName(called, text), partial(_raise, told))


def _raise(failure: ImageError, *_: object) -> NoReturn:
    raise failure
