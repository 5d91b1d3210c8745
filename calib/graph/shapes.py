"""The shapes and types of what a file computes, which segpp-export fixes."""

import onnx

__all__ = ["shapes_of", "types_of"]


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor; a size that is not fixed is 0."""
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in _values(model)
    }


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element type of every tensor, as ``onnx.TensorProto`` numbers them."""
    return {value.name: value.type.tensor_type.elem_type for value in _values(model)}


def _values(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return [*graph.input, *graph.value_info, *graph.output]
