"""ONNX files of one custom operator, for the tests of the operators."""

from functools import lru_cache

import onnx
import onnxruntime
from onnx import helper

from segpp import ops
from segpp.export.custom_ops.functions import functions_for
from segpp.export.targets import PORTABLE

__all__ = ["node_of", "session_for", "session_of"]


def node_of(name: str, attributes: dict[str, int]) -> onnx.NodeProto:
    contract = ops.CONTRACTS[name]
    plugin = {"plugin_version": "1", "plugin_namespace": ""}
    return helper.make_node(
        name, contract.inputs, contract.outputs, domain=ops.DOMAIN, **plugin, **attributes
    )


@lru_cache(maxsize=512)
def session_for(
    name: str,
    attributes: tuple[tuple[str, int], ...],
    shapes: tuple[tuple[int, ...], ...],
    kinds: str,
    target: str = PORTABLE,
) -> onnxruntime.InferenceSession:
    types = {
        "f": onnx.TensorProto.FLOAT,
        "h": onnx.TensorProto.FLOAT16,
        "i": onnx.TensorProto.INT32,
    }
    contract = ops.CONTRACTS[name]
    node = node_of(name, dict(attributes))
    inputs = [
        helper.make_tensor_value_info(i, types[kind], shape)
        for i, kind, shape in zip(contract.inputs, kinds, shapes, strict=True)
    ]
    output = onnx.ValueInfoProto(name=contract.outputs[0])
    return session_of(helper.make_graph([node], "one_node", inputs, [output]), target)


def session_of(graph: onnx.GraphProto, target: str = PORTABLE) -> onnxruntime.InferenceSession:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(ops.DOMAIN, ops.VERSION)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=9, functions=functions_for(graph, target)
    )
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
