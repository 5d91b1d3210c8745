"""What the functions of the API take for paths, sizes and settings, and what becomes of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segpp.errors import InputError
from segpp.images.picture import check_bands
from segpp.images.white import check_white
from segpp.ops.grid import Size, parse_size
from segpp.utils import arguments
from segpp.utils.limits import check_threads

__all__ = ["OneOrMore", "PathLike", "SizeLike", "WhiteLike", "checked_settings", "to_size"]

PathLike = Path | str
SizeLike = Size | tuple[int, int] | str
# A number, auto or max.
WhiteLike = str | float

# One stands for a list of it.
OneOrMore = PathLike | Sequence[PathLike]

# As many digits as a size may have as text.
_LARGEST_SIDE = 999_999


def to_size(size: SizeLike | None, name: str = "size") -> Size | None:
    """Return ``(512, 1024)`` or ``"512x1024"`` as a size, None as None.

    Raises:
        InputError: It is neither.
    """
    if size is None:
        return None
    if isinstance(size, str):
        return parse_size(size)
    try:
        height, width = size
        sides = [
            arguments.whole_number(name, side, least=1, most=_LARGEST_SIDE)
            for side in (height, width)
        ]
    except (InputError, TypeError, ValueError) as failure:
        hint = 'height first: (512, 1024) or "512x1024"'
        raise arguments.wrong(name, size, "two whole numbers", hint=hint) from failure
    return Size(*sides)


def checked_settings(**given: object) -> dict[str, Any]:
    """Return the settings of a session under the names of ``open_session``.

    Args:
        given: Some of backend, provider, threads, precision, cache, spin and min_agreement.

    Raises:
        InputError: One has the wrong type or is out of range.
    """
    checked = {name: _SETTINGS[name](name, value) for name, value in given.items()}
    if "spin" in checked:
        checked["spinning"] = checked.pop("spin")
    return checked


def _optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: arguments.optional(check, name, value)


def _threads(name: str, value: object) -> int:
    threads = arguments.whole_number(name, value, least=1)
    check_threads(threads)
    return threads


_SETTINGS: Mapping[str, Callable[[str, Any], Any]] = {
    "backend": arguments.text,
    "provider": _optional(arguments.text),
    "threads": _optional(_threads),
    "precision": arguments.text,
    "cache": arguments.flag,
    "spin": arguments.flag,
    "min_agreement": _optional(arguments.share),
    "fit": _optional(arguments.text),
    "tile": arguments.flag,
    "overlap": _optional(arguments.share),
    "output_name": _optional(arguments.text),
    "trust": arguments.flag,
    "cuda_graph": arguments.flag,
    "rebuild_if_stale": arguments.flag,
    "white": lambda _name, value: check_white(value),
    "bands": lambda _name, value: check_bands(value),
}
