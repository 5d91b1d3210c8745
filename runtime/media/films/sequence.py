"""Numbered pictures that are a film: ``frames/%06d.png``."""

import re
from collections.abc import Iterator
from pathlib import Path

from segpp.errors import ImageError
from segpp.runtime.media.files import picture_item
from segpp.runtime.media.films.cut import Cut
from segpp.runtime.media.items import ImageItem, ImageName, ImageSource

__all__ = ["USUAL_RATE", "is_sequence", "open_sequence"]

USUAL_RATE = 25.0

# As printf writes a number, with the least digits that it is filled to: %d, %6d, %06d.
_NUMBER = re.compile(r"%(0?)(\d*)d")


def is_sequence(text: str) -> bool:
    """Return whether a text names numbered pictures, and no file of just that name."""
    return len(_NUMBER.findall(Path(text).name)) == 1 and not Path(text).exists()


def open_sequence(text: str, rate: float, cut: Cut) -> ImageSource:
    """Return the pictures as a film, in the order of their numbers.

    A number that is missing leaves its time: the picture before it stays longer.

    Args:
        text: A path whose last part holds one ``%d`` or ``%06d``.
        rate: Numbers per second.
        cut: The part that is wanted.

    Raises:
        ImageError: There is none.
    """
    numbered = _numbered(Path(text))
    if not numbered:
        raise ImageError(f"no file matches {text}", "%06d stands for a number of six digits")
    first = next(iter(numbered))

    def items() -> Iterator[ImageItem]:
        entries = ((number, (number - first) / rate, file) for number, file in numbered.items())
        chosen = list(cut.pick(entries, lambda entry: entry[1]))
        if not chosen:
            raise ImageError(f"{text} ends before {cut.start:g} s", hint="start earlier")
        for _, time, file in chosen:
            yield picture_item(file, ImageName(file.stem, str(file), time))

    return ImageSource(
        "video",
        text,
        items,
        count=len(numbered) if cut.is_whole else None,
        files=tuple(numbered.values()),
        rate=rate,
        stem=_stem(Path(text)),
    )


def _numbered(path: Path) -> dict[int, Path]:
    pattern = _pattern(path.name)
    if not path.parent.is_dir():
        return {}
    found = {
        int(match[1]): file
        for file in path.parent.iterdir()
        if (match := pattern.fullmatch(file.name)) and file.is_file()
    }
    return dict(sorted(found.items()))


def _pattern(name: str) -> re.Pattern[str]:
    [(zero, width)] = _NUMBER.findall(name)
    least = int(width or 1)
    # 7 is 000007 to %06d, and 1234567 as it is.
    digits = rf"\d{{{least}}}|[1-9]\d{{{least},}}" if zero else r"0|[1-9]\d*"
    before, after = _NUMBER.split(name)[0], _NUMBER.split(name)[-1]
    return re.compile(f"{re.escape(before)}({digits}){re.escape(after)}")


def _stem(path: Path) -> str:
    """Return what a film of the pictures is called: what stands before the number, or a folder."""
    before = _NUMBER.split(path.name)[0].rstrip("_-. ")
    return before or path.absolute().parent.name or "frames"
