"""TensorRT 10.3 to 11 and TensorRT-RTX: int8 around 0 on the inputs of weighted products.

Nothing else is quantized: pairs on residual sums, normalisations and attention products cost
accuracy, and split the fusions that make the float network fast. Biases stay float, which older
parsers ask for (microsoft/onnxruntime#14229).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from segpp.calib.plan import Plan
from segpp.calib.writers import WRITERS
from segpp.calib.writers._qdq import Style, insert
from segpp.calib.writers.base import Writer

__all__ = ["faults_for_tensorrt", "write_for_tensorrt"]

_PAIRS = ("QuantizeLinear", "DequantizeLinear")
_MOST_OPSET = 22
_HALF_OPSET = 19


def write_for_tensorrt(model: onnx.ModelProto, plan: Plan) -> onnx.ModelProto:
    """Return the model with the plan's sites in int8."""
    return insert(model, plan, Style(signed=True))


def faults_for_tensorrt(model: onnx.ModelProto) -> list[str]:
    """Return what TensorRT would refuse: zero points, unsigned numbers, open scales."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    faults = [
        fault
        for node in model.graph.node
        if node.op_type in _PAIRS
        for fault in _faults_of(node, constants)
    ]
    opsets = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    faults.extend(f"opset {v} is above {_MOST_OPSET}" for v in opsets if v > _MOST_OPSET)
    if max(opsets) < _HALF_OPSET and any(_is_half(node, constants) for node in model.graph.node):
        faults.append(f"its pairs take float16, which opset {max(opsets)} has no pairs for")
    return faults


def _is_half(node: onnx.NodeProto, constants: Mapping[str, NDArray[Any]]) -> bool:
    scale = constants.get(node.input[1]) if node.op_type in _PAIRS else None
    return scale is not None and scale.dtype == np.float16


def _faults_of(node: onnx.NodeProto, constants: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    # Without a zero point the numbers are unsigned.
    scale, zero = (constants.get(name) for name in (*node.input[1:3], "")[:2])
    if scale is None or zero is None:
        yield f"{node.name}: its scale or zero point is not a constant"
    elif not (np.isfinite(scale).all() and (scale > 0).all()):
        yield f"{node.name}: its scale is not above 0"
    elif zero.dtype != np.int8 or zero.any():
        yield f"{node.name}: its zero point is {zero.dtype} {zero.ravel()[:1].tolist()}, not int8 0"


WRITERS.register("tensorrt")(
    Writer(
        title="TensorRT",
        backend=None,
        floats=frozenset({"classifier", "depthwise"}),
        precisions=frozenset({"fp32", "fp16"}),
        write=write_for_tensorrt,
        faults=faults_for_tensorrt,
    )
)
