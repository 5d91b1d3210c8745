"""Frozen dataclasses to JSON and back, refusing whatever does not fit the types."""

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from segpp.errors import ManifestError

__all__ = ["decode", "encode"]

T = TypeVar("T")


def encode(value: Any) -> dict[str, Any]:
    """Return a dataclass as plain JSON values."""
    return asdict(value)


def decode(kind: type[T], value: Any, where: str = "manifest") -> T:
    """Return ``value`` (from ``json.loads``) as an instance of the dataclass ``kind``.

    Raises:
        ManifestError: A key is missing or unknown, or a value has the wrong type; the message
            names the place as ``manifest.input.shape[2]``.
    """
    result: T = _decode(kind, value, where)
    return result


def _decode(kind: Any, value: Any, where: str) -> Any:  # noqa: PLR0911 - one return per shape
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _decode_union(arguments, value, where)
    if origin is Literal:
        # True is 1, and is written otherwise.
        fits = any(type(value) is type(one) and value == one for one in arguments)
        return _require(fits, value, where, f"one of {arguments}")
    if origin is tuple:
        return _decode_tuple(arguments, value, where)
    if origin is dict:
        _require(isinstance(value, Mapping), value, where, "an object")
        return {k: _decode(arguments[1], v, f"{where}[{k!r:.80}]") for k, v in value.items()}
    if is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    if kind is float:
        return _decode_float(value, where)
    return _require(type(value) is kind, value, where, kind.__name__)


def _decode_union(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    if type(value) in arguments:
        return _decode(type(value), value, where)
    others = [argument for argument in arguments if argument is not type(None)]
    expected = " or ".join(getattr(kind, "__name__", str(kind)) for kind in others)
    _require(len(others) == 1, value, where, expected)
    return _decode(others[0], value, where)


def _decode_float(value: Any, where: str) -> float:
    _require(type(value) in (int, float), value, where, "float")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    # Python reads and writes NaN and Infinity in JSON, which has neither.
    _require(math.isfinite(number), value, where, "a finite number")
    return number


def _decode_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _require(isinstance(value, list), value, where, "a list")
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    _require(len(value) == len(arguments), value, where, f"a list of {len(arguments)}")
    pairs = zip(arguments, value, strict=True)
    return tuple(_decode(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(pairs))


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    _require(isinstance(value, Mapping), value, where, "an object")
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind)}
    if unknown := sorted(set(value) - set(known)):
        raise ManifestError(f"{where} has the unknown key {unknown[0]!r:.80}")
    required = {
        n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING
    }
    if absent := sorted(required - set(value)):
        raise ManifestError(f"{where} lacks the key {absent[0]!r}")
    hints = get_type_hints(kind)
    return kind(**{name: _decode(hints[name], v, f"{where}.{name}") for name, v in value.items()})


def _require(fits: bool, value: Any, where: str, expected: str) -> Any:  # noqa: FBT001
    if not fits:
        raise ManifestError(f"{where} is {value!r:.80}", f"expected: {expected}")
    return value
