"""A copy of a network that also gives what calibration wants to know of its activations.

The extremes and means are reduced inside the graph, and of the values themselves only some places
are handed out. So a run holds little more than a run of the network alone, whatever the number of
tensors that are looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from segpp.errors import GraphError

__all__ = ["Probe", "add_probes"]

_PREFIX = "segpp_probe"
_PLANES = 4  # dimensions of (B, C, H, W)


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
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    shapes = _shapes(inferred.graph)
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    draw = np.random.default_rng(seed)
    probes = tuple(
        _add_probe(probed.graph, number, name, axis, _shape_of(shapes, name), rows, draw)
        for number, (name, axis) in enumerate(axes.items())
    )
    return probed, probes


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    values = [*graph.input, *graph.value_info, *graph.output]
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in values
    }


def _shape_of(shapes: Mapping[str, tuple[int, ...]], name: str) -> tuple[int, ...]:
    shape = shapes.get(name, ())
    if not shape or min(shape) < 1:
        raise GraphError(
            f"the shape of {name!r:.80} is not fixed in the file",
            hint="calibration takes files of segpp-export, whose shapes are fixed",
        )
    return shape


def _add_probe(
    graph: onnx.GraphProto,
    number: int,
    name: str,
    axis: int,
    shape: tuple[int, ...],
    rows: int,
    draw: np.random.Generator,
) -> Probe:
    rank = len(shape)
    channel = axis % rank
    prefix = f"{_PREFIX}.{number}"
    others = [i for i in range(rank) if i != channel]
    outputs = {}
    axes = _constant(graph, f"{prefix}.axes", np.array(others, np.int64))
    for what, operator in (("low", "ReduceMin"), ("high", "ReduceMax"), ("mean", "ReduceMean")):
        outputs[what] = f"{prefix}.{what}"
        graph.node.append(
            helper.make_node(operator, [name, axes], [outputs[what]], keepdims=0, name=outputs[what])
        )
        _declare(graph, outputs[what], (shape[channel],))
    places = int(np.prod([shape[i] for i in others[1:]]))
    kept = np.sort(draw.choice(places, min(rows, places), replace=False))
    outputs["rows"] = f"{prefix}.rows"
    _add_rows(graph, prefix, name, channel, shape, kept)
    return Probe(name, shape[channel], **outputs)


def _add_rows(
    graph: onnx.GraphProto,
    prefix: str,
    name: str,
    channel: int,
    shape: tuple[int, ...],
    kept: np.ndarray,
) -> None:
    batch, channels, flat = shape[0], shape[channel], f"{prefix}.flat"
    picked = f"{prefix}.rows" if channel != 1 or len(shape) != _PLANES else f"{prefix}.picked"
    planes = picked != f"{prefix}.rows"
    form = (batch, channels, -1) if planes else (batch, -1, channels)
    as_rows = _constant(graph, f"{prefix}.form", np.array(form, np.int64))
    indices = _constant(graph, f"{prefix}.indices", kept.astype(np.int64))
    graph.node.append(helper.make_node("Reshape", [name, as_rows], [flat], name=flat))
    graph.node.append(
        helper.make_node("Gather", [flat, indices], [picked], axis=2 if planes else 1, name=picked)
    )
    if planes:
        turned = f"{prefix}.rows"
        graph.node.append(
            helper.make_node("Transpose", [picked], [turned], perm=[0, 2, 1], name=turned)
        )
    _declare(graph, f"{prefix}.rows", (batch, len(kept), channels))


def _constant(graph: onnx.GraphProto, name: str, value: np.ndarray) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _declare(graph: onnx.GraphProto, name: str, shape: tuple[int, ...]) -> None:
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
