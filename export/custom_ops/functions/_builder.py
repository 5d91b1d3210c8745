"""Bodies of standard operators that are written by a program, not by hand."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import FunctionProto, helper

from segpp import ops
from segpp.export.custom_ops.functions._unused import drop_unused

__all__ = ["Body"]

_OPSET = 18


class Body:
    """The nodes of one function, each added by a call.

    Every value inside carries the operator's name, because TensorRT before 10.8 confuses a
    function's names with the graph's.
    """

    def __init__(self, operator: str) -> None:
        self._operator = operator
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[bytes, str] = {}

    def __call__(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output and return the output's name."""
        [name] = self.several(op_type, 1, *inputs, **attributes)
        return name

    def several(self, op_type: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node of several outputs and return their names."""
        place = f"{self._operator}_{len(self._nodes)}"
        names = [f"{place}_{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(op_type, inputs, names, place, **attributes))
        return names

    def constant(self, value: ArrayLike) -> str:
        """Add a constant, once: bytes as UINT8, other integers as INT64, all else as FP32."""
        array = np.asarray(value)
        whole = array.dtype if array.dtype == np.uint8 else np.int64
        kind = whole if np.issubdtype(array.dtype, np.integer) else np.float32
        tensor = onnx.numpy_helper.from_array(array.astype(kind))
        key = tensor.SerializeToString()
        if key not in self._constants:
            self._constants[key] = self("Constant", value=tensor)
        return self._constants[key]

    def function(self, result: str) -> FunctionProto:
        """Return the function whose only output is ``result``; what it does not need goes."""
        contract = ops.CONTRACTS[self._operator]
        [output] = contract.outputs
        self._nodes.append(
            helper.make_node("Identity", [result], [output], f"{self._operator}_{output}")
        )
        function = helper.make_function(
            ops.DOMAIN,
            contract.name,
            contract.inputs,
            contract.outputs,
            self._nodes,
            [helper.make_opsetid("", _OPSET)],
            # TensorRT reads these two strings from the node; ONNX wants them declared.
            [*contract.attributes, "plugin_version", "plugin_namespace"],
            doc_string=contract.meaning,
        )
        drop_unused(function)
        return function
