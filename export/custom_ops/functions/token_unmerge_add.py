"""SegppTokenUnmergeAdd as standard operators: SegppTokenUnmerge's Gather, and a sum."""

import onnx
from onnx import FunctionProto

from segpp import ops
from segpp.export.custom_ops.functions import FUNCTIONS, OperatorUses
from segpp.export.custom_ops.functions.token_unmerge import token_unmerge

__all__ = ["token_unmerge_add"]

_NAME = "SegppTokenUnmergeAdd"


@FUNCTIONS.register(_NAME)
def token_unmerge_add(uses: OperatorUses) -> FunctionProto:
    """Return the function; it is the same in every file."""
    function = token_unmerge(uses)
    inner, [unmerged] = f"{function.name}_", function.output
    renamed = {unmerged: f"{_NAME}_unmerged"}
    for node in function.node:
        # Both functions may lie in one file: no two of their values have one name.
        for names in (node.input, node.output):
            names[:] = [renamed.get(name) or _own(name, inner) for name in names]
        node.name = _own(node.name, inner)
    function.node.append(
        onnx.helper.make_node(
            "Add", ["residual", renamed[unmerged]], ["x"], name=f"{_NAME}_{len(function.node)}"
        )
    )
    function.name, function.doc_string = _NAME, ops.CONTRACTS[_NAME].meaning
    function.input.append("residual")
    function.output[:] = ["x"]
    return function


def _own(name: str, inner: str) -> str:
    return f"{_NAME}_{name.removeprefix(inner)}" if name.startswith(inner) else name
