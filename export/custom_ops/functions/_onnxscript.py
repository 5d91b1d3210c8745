"""From onnxscript to a FunctionProto that every reader takes."""

from typing import Any

from onnx import FunctionProto
from onnxscript.values import Opset

from segpp import ops

__all__ = ["SEGPP", "bypass_value", "drop_unused", "replace_subgraph", "to_function_proto"]

SEGPP = Opset(ops.DOMAIN, ops.VERSION)


def to_function_proto(script: Any) -> FunctionProto:
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
            # An empty name is an optional input that is left out, and must stay empty.
            names[:] = [n if not n or n in outer else f"{function.name}_{n}" for n in names]
    # TensorRT reads these two strings from the node; ONNX wants a function to declare them.
    function.attribute.extend(("plugin_version", "plugin_namespace"))
    function.doc_string = ops.CONTRACTS[function.name].meaning
    return function


def bypass_value(function: FunctionProto, *, of: str, to: str) -> FunctionProto:
    """Return ``function`` without the value ``of``: its users take the value ``to`` instead."""
    old, new = f"{function.name}_{of}", f"{function.name}_{to}"
    bypassed = FunctionProto()
    bypassed.CopyFrom(function)
    for node in bypassed.node:
        node.input[:] = [new if name == old else name for name in node.input]
    drop_unused(bypassed)
    return bypassed


def replace_subgraph(function: FunctionProto, script: Any) -> FunctionProto:
    """Return ``function`` with some of its values computed by another onnxscript function.

    Inputs and outputs of ``script`` are called like the values of ``function`` that it takes and
    replaces; what nobody needs any more goes.
    """
    # 1. Name the nodes and values of the part as if they had been written into ``function``.
    part: FunctionProto = script.to_function_proto()
    for index, node in enumerate(part.node):
        node.name = f"{function.name}_{part.name}_{index}"
        node.doc_string = ""
        for names in (node.input, node.output):
            names[:] = [_name_in_function(name, part, function) for name in names]
    # 2. Take out the nodes whose results the part computes.
    replaced = {_name_in_function(name, part, function) for name in part.output}
    positions = [i for i, node in enumerate(function.node) if replaced & set(node.output)]
    others = [node for i, node in enumerate(function.node) if i not in positions]
    # 3. Put the part where the first of them stood: all that it reads is computed by then.
    result = FunctionProto()
    result.CopyFrom(function)
    del result.node[:]
    result.node.extend([*others[: positions[0]], *part.node, *others[positions[0] :]])
    drop_unused(result)
    return result


def drop_unused(function: FunctionProto) -> None:
    """Remove the nodes that no output of ``function`` needs, in place."""
    needed, kept = set(function.output), []
    # Backwards: whoever reads a value stands behind the node that writes it.
    for node in reversed(function.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    del function.node[:]
    function.node.extend(reversed(kept))


def _name_in_function(name: str, part: FunctionProto, function: FunctionProto) -> str:
    if not name or (name in part.input and name in function.input):
        return name
    shared = name in part.input or name in part.output
    return f"{function.name}_{name}" if shared else f"{function.name}_{part.name}_{name}"
