"""Arguments of the Python API, checked before anything is read: wrong ones are an InputError.

Each function takes the argument's name and its value and returns the value in the type that the
library works with. Messages put names between backquotes, which the command line replaces by its
flags.
"""

import math
import operator
import os
from collections.abc import Callable, Iterable
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

from segpp.errors import InputError

__all__ = [
    "flag",
    "function",
    "number",
    "optional",
    "path",
    "path_text",
    "several",
    "share",
    "text",
    "whole_number",
    "wrong",
]

T = TypeVar("T")

_SHOWN = 80


def wrong(name: str, value: object, expected: str, *, hint: str | None = None) -> InputError:
    """Return the error for an argument that is not what was expected."""
    shown = " ".join(repr(value).split())
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return InputError(f"`{name}` is {shown}", f"expected: {expected}", hint=hint)


def optional(check: Callable[[str, Any], T], name: str, value: object) -> T | None:
    """Return None as None, and anything else as ``check`` does."""
    return None if value is None else check(name, value)


def whole_number(
    name: str, value: object, *, least: int | None = None, most: int | None = None
) -> int:
    """Return a whole number from ``least`` to ``most``; True is none, and neither is 1.0."""
    expected = f"a whole number{_range(least, most)}"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise wrong(name, value, expected)
    try:
        whole = operator.index(value)
    except TypeError as failure:  # an array of several
        raise wrong(name, value, expected) from failure
    if (least is not None and whole < least) or (most is not None and whole > most):
        raise wrong(name, value, expected)
    return whole


def number(
    name: str, value: object, *, least: float | None = None, most: float | None = None
) -> float:
    """Return a finite number from ``least`` to ``most``."""
    expected = f"a number{_range(least, most)}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise wrong(name, value, expected)
    try:
        real = float(value)
    except OverflowError as failure:
        raise wrong(name, value, expected) from failure
    # No comparison holds for not-a-number.
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    if not (math.isfinite(real) and low <= real <= high):
        raise wrong(name, value, expected)
    return real


def share(name: str, value: object) -> float:
    """Return a number from 0 to 1."""
    return number(name, value, least=0, most=1)


def flag(name: str, value: object) -> bool:
    """Return True or False, NumPy's too; nothing else stands for one of them."""
    if isinstance(value, bool) or type(value).__name__ in {"bool_", "bool"}:
        return bool(value)
    raise wrong(name, value, "True or False")


def text(name: str, value: object) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise wrong(name, value, "a text")
    return value


def path(name: str, value: object) -> Path:
    """Return a str or a path as a path."""
    return Path(path_text(name, value))


def path_text(name: str, value: object, *, hint: str | None = None) -> str:
    """Return a str or a path as text, a slash at its end included."""
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    # An empty one would be the current folder, and no file system takes a zero byte.
    if not isinstance(given, str) or not given or "\0" in given:
        raise wrong(name, value, "a path, as str or Path", hint=hint)
    return given


def function(name: str, value: T) -> T:
    """Return what can be called."""
    if not callable(value):
        raise wrong(name, value, "a function")
    return value


def several(
    check: Callable[[str, Any], T], name: str, value: object, *, least: int = 0
) -> tuple[T, ...]:
    """Return at least ``least`` values, each as ``check`` does.

    Args:
        check: What each has to be.
        name: Of the argument.
        value: A list or the like; a single value, a text above all, stands for a list of it.
        least: How many there must be.
    """
    values = tuple(check(name, one) for one in _listed(value))
    if len(values) < least:
        raise wrong(name, value, f"at least {least}")
    return values


def _listed(value: Any) -> Iterable[Any]:
    if isinstance(value, str | bytes | os.PathLike):
        return [value]
    try:
        return list(value)
    except TypeError:
        return [value]


def _range(least: float | None, most: float | None) -> str:
    if least is None:
        return "" if most is None else f" of at most {most}"
    return f" from {least} on" if most is None else f" from {least} to {most}"
