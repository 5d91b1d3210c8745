"""GELU as one node of ONNX Runtime's own operators, instead of five of ONNX.

Its own fusion looks for five nodes that take one value. Where that value comes back from 8 bits it
has given each of its takers a copy by then, and finds nothing.
"""

import math

import onnx
from onnx import helper, numpy_helper

from segpp.calib.graph.wiring import Wiring, wiring_of

__all__ = ["DOMAIN", "fuse_gelu"]

DOMAIN = "com.microsoft"
# Of a constant in float16.
_TOLERANCE = 1e-3


def fuse_gelu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which ``x (1 + erf(x / sqrt 2)) / 2`` is one node, where it is just that."""
    fused = onnx.ModelProto()
    fused.CopyFrom(model)
    wiring = wiring_of(fused.graph)
    ends: dict[str, onnx.NodeProto] = {}
    gone: set[str] = set()
    for erf in [node for node in fused.graph.node if node.op_type == "Erf"]:
        if (found := _gelu_around(erf, wiring)) is not None:
            x, nodes = found
            last = nodes[-1]
            gone.update(node.name for node in nodes)
            ends[last.name] = helper.make_node(
                "Gelu", [x], list(last.output), f"Gelu_{erf.name}", domain=DOMAIN
            )
    nodes = [
        ends.get(node.name, node)
        for node in fused.graph.node
        if node.name in ends or node.name not in gone
    ]
    del fused.graph.node[:]
    fused.graph.node.extend(nodes)
    if ends and DOMAIN not in {one.domain for one in fused.opset_import}:
        fused.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return fused


def _gelu_around(erf: onnx.NodeProto, wiring: Wiring) -> tuple[str, list[onnx.NodeProto]] | None:
    """Return the input and the nodes of the GELU that an Erf is the middle of."""
    scaled = wiring.makers.get(erf.input[0])
    if scaled is None or scaled.op_type != "Div" or not _is(scaled.input[1], math.sqrt(2), wiring):
        return None
    x = scaled.input[0]
    plus = _only_user(erf, "Add", wiring)
    by_x = plus and _only_user(plus, "Mul", wiring)
    half = by_x and _only_user(by_x, "Mul", wiring)
    if plus is None or by_x is None or half is None:
        return None
    exact = (
        any(_is(name, 1.0, wiring) for name in plus.input)
        and x in by_x.input
        and any(_is(name, 0.5, wiring) for name in half.input)
        and {user.name for user in wiring.users(x)} == {scaled.name, by_x.name}
    )
    return (x, [scaled, erf, plus, by_x, half]) if exact else None


def _only_user(node: onnx.NodeProto, operator: str, wiring: Wiring) -> onnx.NodeProto | None:
    users = wiring.users(node.output[0])
    return users[0] if len(users) == 1 and users[0].op_type == operator else None


def _is(name: str, value: float, wiring: Wiring) -> bool:
    tensor = wiring.initializers.get(name)
    if tensor is None or any(size != 1 for size in tensor.dims):
        return False
    return abs(float(numpy_helper.to_array(tensor).ravel()[0]) - value) <= _TOLERANCE * value
