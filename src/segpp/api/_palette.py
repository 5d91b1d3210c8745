"""Colors of classes as a caller gives them."""

from collections.abc import Sequence
from pathlib import Path

from segpp.api._types import PathLike
from segpp.errors import InputError
from segpp.images.palette import Color
from segpp.utils import arguments

__all__ = ["colors_or_file"]


def colors_or_file(given: PathLike | Sequence[Color] | None) -> Path | tuple[Color, ...] | None:
    """Return a file's path or (R, G, B) for each class, None as None.

    Raises:
        InputError: It is neither.
    """
    if given is None or isinstance(given, str | Path):
        return arguments.optional(arguments.path, "palette", given)
    return arguments.several(_color, "palette", given, least=1)


def _color(name: str, value: object) -> Color:
    try:
        red, green, blue = arguments.several(_channel, name, value)
    except (InputError, ValueError) as failure:
        expected = "(R, G, B), three whole numbers from 0 to 255, for each class"
        raise arguments.wrong(name, value, expected) from failure
    return red, green, blue


def _channel(name: str, value: object) -> int:
    return arguments.whole_number(name, value, least=0, most=255)
