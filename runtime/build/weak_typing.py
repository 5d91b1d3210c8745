"""Networks that TensorRT types itself, before 10.12: kept as near to the file as it lets us.

There the library chooses the type of every layer among those that flags allow. So the flags are
the types that the file holds, and what the file computes in FP32 beside halves is pinned to FP32:
similarities, sums of merged tokens, islands. Softmax and LayerNormalization are left to it. It
computes both in FP32 inside, and a pinned softmax would keep attention from being fused.

Flags and layers' precisions are deprecated from 10.12 on and gone in 11: by their names, never by
their numbers, which differ between versions.
"""

import warnings
from collections.abc import Iterator
from typing import Any

__all__ = ["keep_types", "labels_as_int32", "precision_flags"]

# What computes, and has a kernel for every type.
_PINNED = frozenset(
    {"ACTIVATION", "CONVOLUTION", "ELEMENTWISE", "MATRIX_MULTIPLY", "REDUCE", "RESIZE", "SCALE"}
    | {"TOPK", "UNARY"}
)
_FLAGS = {"HALF": "FP16", "BF16": "BF16"}


def keep_types(trt: Any, network: Any) -> tuple[str, ...]:
    """Pin to FP32 what a file of halves computes in it; return what to tell about it."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    types = {layer.get_output(0).dtype.name for layer in layers if layer.num_outputs}
    if not types & _FLAGS.keys():
        return ()
    pinned = [layer for layer in layers if _is_pinned(layer)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for layer in pinned:
            layer.precision = trt.float32
            layer.set_output_type(0, trt.float32)
    return (
        (
            f"this TensorRT types networks itself: {len(pinned)} layers that the file has in FP32 "
            "are pinned to it, the rest may be computed in FP32 or in halves"
        ),
    )


def _is_pinned(layer: Any) -> bool:
    return layer.type.name in _PINNED and layer.get_output(0).dtype.name == "FLOAT"


def precision_flags(trt: Any, network: Any) -> Iterator[Any]:
    """Yield the flags that allow the types that a network holds."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    types = {layer.get_output(0).dtype.name for layer in layers if layer.num_outputs}
    names = [flag for held, flag in _FLAGS.items() if held in types]
    if any(layer.type.name == "QUANTIZE" for layer in layers):
        names.append("INT8")
    if any(map(_is_pinned, layers)) and types & _FLAGS.keys():
        # Refuse to build rather than compute a pinned layer in halves.
        names.append("OBEY_PRECISION_CONSTRAINTS")
    for name in names:
        flag = getattr(trt.BuilderFlag, name, None)
        if flag is not None:
            yield flag


def labels_as_int32(trt: Any, network: Any) -> tuple[str, ...]:
    """Give labels in INT32, since INT8 without a scale is refused; return what to tell about it."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    made_by = {layer.get_output(0).name: layer for layer in layers if layer.num_outputs}
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    small = {one.name: one for one in outputs if one.dtype.name in {"INT8", "UINT8"}}
    for name, tensor in small.items():
        _widen(trt, network, tensor, made_by[name])
    return tuple(
        f"output {name} is INT32: this TensorRT takes INT8 for quantized values, and labels are "
        "made by standard operators for the same reason"
        for name in small
    )


def _widen(trt: Any, network: Any, tensor: Any, maker: Any) -> None:
    name = tensor.name
    source = maker.get_input(0) if maker.type.name == "CAST" else tensor
    network.unmark_output(tensor)
    tensor.name = f"{name}_as_in_the_file"
    wide = network.add_cast(source, trt.int32).get_output(0)
    wide.name = name
    network.mark_output(wide)
