"""Values of transformers' ``config.json``, each of its kind or refused by its name."""

from collections.abc import Mapping
from typing import Any

from segpp.errors import CheckpointError

__all__ = ["CONFIG", "GELU", "classes_in", "count_in", "eps_in", "number_in", "wrong"]

CONFIG = "config.json"
# Names of the same function of transformers.
GELU = ("gelu", "gelu_python")


def count_in(config: Mapping[str, Any], key: str, usual: int, *, least: int = 1) -> int:
    """Return a whole number; ``usual`` where it is left out."""
    value = config.get(key, usual)
    if type(value) is int and value >= least:
        return value
    raise wrong(key, value, f"a whole number from {least} on")


def number_in(config: Mapping[str, Any], key: str, usual: float) -> float:
    """Return a positive number."""
    value = config.get(key, usual)
    # Of what could overflow nothing is made.
    if type(value) in (int, float) and 0 < value < 1 << 20:
        return float(value)
    raise wrong(key, value, "a positive number")


def eps_in(config: Mapping[str, Any], usual: float = 1e-6) -> float:
    """Return the epsilon of norms."""
    value = number_in(config, "layer_norm_eps", usual)
    if value < 1:
        return value
    raise wrong("layer_norm_eps", value, "a small number")


def classes_in(config: Mapping[str, Any]) -> int | None:
    """Return how many classes have a name."""
    labels = config.get("id2label")
    return len(labels) if isinstance(labels, dict) and labels else None


def wrong(key: str, value: object, expected: str) -> CheckpointError:
    """Return the refusal of a value."""
    return CheckpointError(f"{CONFIG} gives {key} as {value!r:.80}", f"expected: {expected}")
