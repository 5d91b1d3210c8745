"""The shapes and types of what a file computes, which segpp-export fixes."""

from collections.abc import Mapping

import onnx

from segpp.errors import GraphError

__all__ = ["shape_of", "shapes_of", "types_of"]


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor; a size that is not fixed is 0."""
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in _values(model)
    }


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element type of every tensor, as ``onnx.TensorProto`` numbers them."""
    return {value.name: value.type.tensor_type.elem_type for value in _values(model)}


def shape_of(shapes: Mapping[str, tuple[int, ...]], name: str) -> tuple[int, ...]:
    """Return the shape of one tensor.

    Raises:
        GraphError: It is not fixed.
    """
    shape = shapes.get(name, ())
    if not shape or min(shape) < 1:
        raise GraphError(
            f"the shape of {name!r:.80} is not fixed in the file",
            hint="calibration takes files of segpp-export, whose shapes are fixed",
        )
    return shape


def _values(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return [*graph.input, *graph.value_info, *graph.output]
