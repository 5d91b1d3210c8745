"""What a writer is, and how a value becomes 8 bits."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx

from segpp.calib.plan import Plan

__all__ = ["Grid", "Writer", "grid_of"]

_MOST_SIGNED = 127


@dataclass(frozen=True)
class Writer:
    """One dialect of INT8.

    Args:
        title: The engine, as its maker calls it.
        backend: Of ``segpp.runtime``, that runs such files here; None if none does.
        floats: Kinds of sites (``segpp.calib.graph.sites.KINDS``) that stay float in it.
        write: Returns a copy of the float model with the plan's sites quantized.
        faults: Returns what the engine would refuse in a model, a sentence each.
    """

    title: str
    backend: str | None
    floats: frozenset[str]
    write: Callable[[onnx.ModelProto, Plan], onnx.ModelProto]
    faults: Callable[[onnx.ModelProto], list[str]]


@dataclass(frozen=True)
class Grid:
    """The 8-bit numbers of one tensor: ``value = scale * (number - zero_point)``."""

    scale: np.float32
    zero_point: np.int8 | np.uint8


def grid_of(low: float, high: float, *, signed: bool) -> Grid:
    """Return the grid that covers a range which holds 0.

    Args:
        low, high: The range; what lies outside is clipped.
        signed: int8 around 0, whose zero point is 0; else uint8 from ``low`` on.
    """
    # A tensor that is 0 throughout needs a scale above 0 as well.
    smallest = float(np.finfo(np.float32).tiny) * 512
    if signed:
        return Grid(np.float32(max(-low, high, smallest) / _MOST_SIGNED), np.int8(0))
    scale = np.float32(max(high - low, smallest) / 255)
    return Grid(scale, np.uint8(np.clip(round(-low / float(scale)), 0, 255)))
