"""A copy of a network that also gives what calibration wants to know of its activations.

The extremes and means are reduced inside the graph, and of the values themselves only some places
are handed out. So a run holds little more than a run of the network alone, whatever the number of
tensors that are looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from segpp.calib.graph.shapes import shape_of, shapes_of

__all__ = ["Probe", "add_probes"]

_PREFIX = "segpp_probe"
_REDUCTIONS = {"low": "ReduceMin", "high": "ReduceMax", "mean": "ReduceMean"}

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """The outputs that tell about one tensor.

    Attributes:
        tensor: Its name.
        channels: C.
        low, high, mean: Outputs (C,).
        rows: Output (B, R, C): the channels of R places, the same in every picture.
    """

    tensor: str
    channels: int
    low: str
    high: str
    mean: str
    rows: str


def add_probes(
    model: onnx.ModelProto, axes: Mapping[str, int], *, rows: int, seed: int = 0
) -> tuple[onnx.ModelProto, tuple[Probe, ...]]:
    """Return a copy of the model with more outputs, and what they are.

    Args:
        model: Of static shapes.
        axes: For every tensor of interest the axis of its channels.
        rows: How many places of each to hand out; fewer if it has fewer.
        seed: Draws them.
    """
    shapes = shapes_of(model)
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    draw = np.random.default_rng(seed)
    probes = []
    for number, (name, axis) in enumerate(axes.items()):
        seen = _Seen(name, shape_of(shapes, name), axis)
        kept = np.sort(draw.choice(seen.places, min(rows, seen.places), replace=False))
        prefix = f"{_PREFIX}.{number}"
        probes.append(_add_probe(probed.graph, seen, prefix, kept.astype(np.int64)))
    return probed, tuple(probes)


@dataclass(frozen=True)
class _Seen:
    """A tensor that is looked at: its shape, and the axis of its channels."""

    tensor: str
    shape: tuple[int, ...]
    axis: int

    @property
    def channel(self) -> int:
        return self.axis % len(self.shape)

    @property
    def channels(self) -> int:
        return self.shape[self.channel]

    @property
    def others(self) -> list[int]:
        return [axis for axis in range(len(self.shape)) if axis != self.channel]

    @property
    def places(self) -> int:
        """How many there are in one picture."""
        return int(np.prod([self.shape[axis] for axis in self.others[1:]]))


def _add_probe(graph: onnx.GraphProto, seen: _Seen, prefix: str, kept: Indices) -> Probe:
    axes = _constant(graph, f"{prefix}.axes", np.array(seen.others, np.int64))
    names = {what: f"{prefix}.{what}" for what in _REDUCTIONS}
    for what, operator in _REDUCTIONS.items():
        node = helper.make_node(operator, [seen.tensor, axes], [names[what]], names[what])
        node.attribute.append(helper.make_attribute("keepdims", 0))
        graph.node.append(node)
        _declare(graph, names[what], (seen.channels,))
    rows = _add_rows(graph, seen, prefix, kept)
    return Probe(seen.tensor, seen.channels, rows=rows, **names)


def _add_rows(graph: onnx.GraphProto, seen: _Seen, prefix: str, kept: Indices) -> str:
    """Hand out the channels of some places, (B, R, C)."""
    flat, picked, rows = (f"{prefix}.{name}" for name in ("flat", "picked", "rows"))
    first = seen.channel == 1
    form = (seen.shape[0], seen.channels, -1) if first else (seen.shape[0], -1, seen.channels)
    as_rows = _constant(graph, f"{prefix}.form", np.array(form, np.int64))
    indices = _constant(graph, f"{prefix}.indices", kept)
    turn = [0, 2, 1] if first else [0, 1, 2]
    graph.node.extend(
        [
            helper.make_node("Reshape", [seen.tensor, as_rows], [flat], flat),
            helper.make_node("Gather", [flat, indices], [picked], picked, axis=2 if first else 1),
            helper.make_node("Transpose", [picked], [rows], rows, perm=turn),
        ]
    )
    _declare(graph, rows, (seen.shape[0], len(kept), seen.channels))
    return rows


def _constant(graph: onnx.GraphProto, name: str, value: Indices) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _declare(graph: onnx.GraphProto, name: str, shape: tuple[int, ...]) -> None:
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
