"""What a writer is, and how a value becomes 8 bits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray

from segpp.calib.plan import Plan

__all__ = ["FULL_WEIGHTS", "Grid", "Writer", "back_of", "grid_of", "quantize_weight", "to_scale"]

_MOST_SIGNED = 127
# Largest magnitude of a weight of 8 bits.
FULL_WEIGHTS = 127


@dataclass(frozen=True)
class Writer:
    """One dialect of INT8.

    Args:
        title: The engine, as its maker calls it.
        backend: Of ``segpp.runtime``, that runs such files here; None if none does.
        floats: Kinds of sites (``segpp.calib.graph.sites.KINDS``) that stay float in it.
        precisions: Of the float files that it is made from, as in a manifest.
        write: Returns a copy of the float model with the plan's sites quantized.
        faults: Returns what the engine would refuse in a model, a sentence each.
        options: Returns what a reader of the file must know of the dialect, for its manifest.
        weight_limit: Returns the largest magnitude of a weight's integers on this machine.
    """

    title: str
    backend: str | None
    floats: frozenset[str]
    precisions: frozenset[str]
    write: Callable[[onnx.ModelProto, Plan], onnx.ModelProto]
    faults: Callable[[onnx.ModelProto], list[str]]
    options: Callable[[], Mapping[str, str]] = dict
    weight_limit: Callable[[], int] = lambda: FULL_WEIGHTS


@dataclass(frozen=True)
class Grid:
    """The 8-bit numbers of one tensor: ``value = scale * (number - zero_point)``."""

    scale: np.floating[Any]
    zero_point: np.int8 | np.uint8


def grid_of(low: float, high: float, *, signed: bool, kind: DTypeLike = np.float32) -> Grid:
    """Return the grid that covers a range which holds 0.

    Args:
        low, high: The range; what lies outside is clipped.
        signed: int8 around 0, whose zero point is 0; else uint8 from ``low`` on.
        kind: Of the scale: the type of the values.
    """
    if signed:
        return Grid(to_scale(max(-low, high) / _MOST_SIGNED, kind).reshape(1)[0], np.int8(0))
    scale = to_scale((high - low) / 255, kind).reshape(1)[0]
    return Grid(scale, np.uint8(np.clip(round(-low / float(scale)), 0, 255)))


def to_scale(values: float | NDArray[np.floating[Any]], kind: DTypeLike) -> NDArray[Any]:
    """Return scales as numbers of a type, none of them 0, none so small that a range is clipped."""
    # A tensor that is 0 throughout needs a scale above 0 as well.
    half = np.dtype(kind) == np.float16
    smallest = np.finfo(np.float16).smallest_subnormal if half else np.finfo(kind).tiny * 4
    wanted = np.maximum(values, float(smallest))
    scales = np.asarray(wanted, kind)
    # Small numbers of float16 lie far apart: of one rounded down, the range would end early.
    return np.where(half & (scales < wanted), np.nextafter(scales, np.array(np.inf, kind)), scales)


def quantize_weight(
    weight: NDArray[np.floating[Any]], axis: int, limit: int = 127
) -> tuple[NDArray[np.int8], NDArray[np.floating[Any]]]:
    """Return a weight as int8 and the scale of each of its output channels.

    Args:
        weight: Of any shape; scales are of its type.
        axis: Of the output channels.
        limit: Largest magnitude of a number.
    """
    others = tuple(i for i in range(weight.ndim) if i != axis)
    wide = weight.astype(np.float64)
    scales = to_scale(np.abs(wide).max(others) / limit, weight.dtype)
    shaped = scales.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    return np.clip(np.round(wide / shaped), -limit, limit).astype(np.int8), scales


def back_of(tensor: str) -> str:
    """Return the name of what comes back from the 8 bits of an activation, in every dialect."""
    return f"{tensor}/int8/back"
