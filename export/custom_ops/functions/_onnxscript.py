"""From onnxscript to a FunctionProto that every reader takes."""

from typing import Any

from onnx import FunctionProto
from onnxscript.values import Opset

from segpp import ops
from segpp.export.custom_ops.functions._unused import drop_unused

__all__ = ["SEGPP", "bypass", "proto_of", "with_part"]

SEGPP = Opset(ops.DOMAIN, ops.VERSION)


def proto_of(script: Any) -> FunctionProto:
    """Return the proto of an onnxscript function, its inner values renamed to be unique.

    TensorRT before 10.8 confuses a function's inner names with the graph's, and a TensorRT-RTX
    build dies of two values called ``_``; so every inner value carries the operator's name.
    """
    function: FunctionProto = script.to_function_proto()
    outer = {*function.input, *function.output}
    for index, node in enumerate(function.node):
        node.name = f"{function.name}_{index}"
        node.doc_string = ""
        for names in (node.input, node.output):
            names[:] = [n if not n or n in outer else f"{function.name}_{n}" for n in names]
    # TensorRT reads these two strings from the node; ONNX wants a function to declare them.
    function.attribute.extend(("plugin_version", "plugin_namespace"))
    function.doc_string = ops.CONTRACTS[function.name].meaning
    return function


def bypass(function: FunctionProto, *, of: str, to: str) -> FunctionProto:
    """Return ``function`` without the value ``of``: its users take the value ``to`` instead."""
    old, new = f"{function.name}_{of}", f"{function.name}_{to}"
    result = FunctionProto()
    result.CopyFrom(function)
    for node in result.node:
        node.input[:] = [new if name == old else name for name in node.input]
    drop_unused(result)
    return result


def with_part(function: FunctionProto, script: Any) -> FunctionProto:
    """Return ``function`` with some of its values computed by another onnxscript function.

    Inputs and outputs of ``script`` are called like the values of ``function`` that it takes and
    replaces; what nobody needs any more goes.
    """
    part: FunctionProto = script.to_function_proto()
    for index, node in enumerate(part.node):
        node.name = f"{function.name}_{part.name}_{index}"
        node.doc_string = ""
        for names in (node.input, node.output):
            names[:] = [_of_part(name, part, function) for name in names]
    replaced = {_of_part(name, part, function) for name in part.output}
    places = [i for i, node in enumerate(function.node) if replaced & set(node.output)]
    others = [node for i, node in enumerate(function.node) if i not in places]
    result = FunctionProto()
    result.CopyFrom(function)
    del result.node[:]
    result.node.extend([*others[: places[0]], *part.node, *others[places[0] :]])
    drop_unused(result)
    return result


def _of_part(name: str, part: FunctionProto, function: FunctionProto) -> str:
    if not name:
        return name
    if name in part.input and name in function.input:
        return name
    shared = name in part.input or name in part.output
    return f"{function.name}_{name}" if shared else f"{function.name}_{part.name}_{name}"
