"""A copy of a network that also gives what calibration wants to know of its activations.

The extremes and means are reduced inside the graph, and of the values themselves only some places
are handed out. So a run holds little more than a run of the network alone, whatever the number of
tensors that are looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from segpp.calib.graph.shapes import shapes_of, types_of
from segpp.errors import GraphError

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
        low, high: Outputs (C,), over all pictures of a batch.
        mean: Output (B, C), of each picture for itself: one may stand in a batch twice.
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
    """Return a copy of the model with more outputs, all float32, and what they are.

    Args:
        model: Of static shapes.
        axes: For every tensor of interest the axis of its channels.
        rows: How many places of each to hand out; fewer if it has fewer.
        seed: Draws them.
    """
    shapes, types = shapes_of(model), types_of(model)
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    draw = np.random.default_rng(seed)
    probes = []
    for number, (name, axis) in enumerate(axes.items()):
        seen = _Seen(name, _fixed(shapes.get(name, ()), name), axis, types.get(name, 0))
        kept = np.sort(draw.choice(seen.places, min(rows, seen.places), replace=False))
        prefix = f"{_PREFIX}.{number}"
        probes.append(_add_probe(probed.graph, seen, prefix, kept.astype(np.int64)))
    return probed, tuple(probes)


@dataclass(frozen=True)
class _Seen:
    """A tensor that is looked at: its shape, the axis of its channels, its type in ONNX."""

    tensor: str
    shape: tuple[int, ...]
    axis: int
    kind: int

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


def _fixed(shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    if not shape or min(shape) < 1:
        raise GraphError(
            f"the shape of {name!r:.80} is not fixed in the file",
            hint="calibration takes files of segpp-export, whose shapes are fixed",
        )
    return shape


def _add_probe(graph: onnx.GraphProto, seen: _Seen, prefix: str, kept: Indices) -> Probe:
    name = _as_float(graph, seen, prefix)
    all_axes = _constant(graph, f"{prefix}.axes", np.array(seen.others, np.int64))
    in_picture = _constant(graph, f"{prefix}.in_picture", np.array(seen.others[1:], np.int64))
    names = {what: f"{prefix}.{what}" for what in _REDUCTIONS}
    for what, operator in _REDUCTIONS.items():
        axes = in_picture if what == "mean" else all_axes
        node = helper.make_node(operator, [name, axes], [names[what]], names[what], keepdims=0)
        # A picture that is one place has its values as means.
        node.attribute.append(helper.make_attribute("noop_with_empty_axes", int(what == "mean")))
        graph.node.append(node)
        _declare(graph, names[what], (*seen.shape[: what == "mean"], seen.channels))
    rows = _add_rows(graph, replace(seen, tensor=name), prefix, kept)
    return Probe(seen.tensor, seen.channels, rows=rows, **names)


def _as_float(graph: onnx.GraphProto, seen: _Seen, prefix: str) -> str:
    """Return a tensor of the same values in float32; a mean in half precision would be off."""
    if seen.kind == TensorProto.FLOAT:
        return seen.tensor
    name = f"{prefix}.float"
    graph.node.append(helper.make_node("Cast", [seen.tensor], [name], name, to=TensorProto.FLOAT))
    return name


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
