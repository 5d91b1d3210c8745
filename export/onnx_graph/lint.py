"""Rules that keep a file buildable on every target; each is one small function.

The targets' limits: TensorRT's TopK takes at most 3,840; its scatters ignore or refuse a
reduction, and ONNX Runtime's threads race for the rows that one adds to; CumSum is a loop before
10.8; NonZero has a data-dependent shape; TensorRT-RTX dies of two values called ``_``. Inside a
function that a plugin replaces, a large TopK is worth a warning only: with the plugin it is never
seen.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import onnx
from onnx import FunctionProto, ModelProto, NodeProto, TensorProto

from segpp import ops
from segpp.errors import CheckError
from segpp.export.targets import (
    BF16_IR_VERSION,
    BF16_OPSET,
    MAX_IR_VERSION,
    ONNXRUNTIME,
    OPSET,
    PLAIN,
    PORTABLE,
)
from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition

__all__ = ["MAX_TOPK", "Finding", "check_clean", "lint", "target_of"]

MAX_TOPK = 3840

_FORBIDDEN = {
    "NonZero": "its shape depends on the data",
    "CumSum": "TensorRT before 10.8 makes a loop of it",
    "Unique": "TensorRT does not have it",
    "Compress": "TensorRT does not have it",
    "Loop": "it cannot be captured in a CUDA graph",
    "If": "its branches have shapes of their own",
}

_SCATTERS = {"ScatterElements", "ScatterND"}

# Domain of the operators that ONNX Runtime adds; a file that has one is for it alone.
_ONNXRUNTIME = "com.microsoft"


@dataclass(frozen=True)
class Finding:
    """One broken rule; a warning holds for some targets only."""

    where: str
    problem: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def lint(model: ModelProto, target: str = PORTABLE) -> list[Finding]:
    """Return every finding, in the order of the rules.

    Args:
        target: The dialect that the file is meant to be in, one of ``segpp.export.targets``.
    """
    rules = _RULES if target == ONNXRUNTIME else (*_RULES, *_PORTABLE_RULES)
    found = [finding for rule in rules for finding in rule(model)]
    if target != PLAIN:
        return found
    # There the selection of a match stands in the graph itself, and for most of its readers any K
    # will do.
    found = [replace(one, warning=True) if "TopK with K" in one.problem else one for one in found]
    return [*found, *_functions(model)]


def check_clean(model: ModelProto, target: str = PORTABLE) -> tuple[str, ...]:
    """Return the warnings as text.

    Raises:
        CheckError: A rule that holds for every engine of the target is broken.
    """
    findings = lint(model, target)
    if errors := [finding for finding in findings if not finding.warning]:
        raise CheckError(
            f"the graph breaks {len(errors)} rule(s) of its targets", *map(str, errors)
        )
    return tuple(map(str, findings))


def target_of(model: ModelProto) -> str:
    """Return the dialect that a file is in, by the operator sets it names."""
    domains = {entry.domain for entry in model.opset_import}
    return ONNXRUNTIME if _ONNXRUNTIME in domains else PORTABLE


def _static_shapes(model: ModelProto) -> Iterator[Finding]:
    graph = model.graph
    for value in [*graph.input, *graph.value_info, *graph.output]:
        if not value.type.tensor_type.HasField("shape"):
            yield Finding(value.name, "the shape is unknown")
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                yield Finding(f"{value.name}[{axis}]", "the dimension is open")


def _versions(model: ModelProto) -> Iterator[Finding]:
    brain = any(tensor.data_type == TensorProto.BFLOAT16 for tensor in model.graph.initializer)
    newest = BF16_IR_VERSION if brain else MAX_IR_VERSION
    if model.ir_version > newest:
        yield Finding("file", f"IR version {model.ir_version}, above {newest}")
    opset = BF16_OPSET if brain else OPSET
    allowed = {"": opset, "ai.onnx": opset, ops.DOMAIN: ops.VERSION, _ONNXRUNTIME: 1}
    functions = (entry for function in model.functions for entry in function.opset_import)
    for entry in [*model.opset_import, *functions]:
        if entry.version > allowed.get(entry.domain, 0):
            yield Finding("file", f"operator set {entry.domain or 'ai.onnx'} {entry.version}")


def _dialect(model: ModelProto) -> Iterator[Finding]:
    for entry in model.opset_import:
        if entry.domain == _ONNXRUNTIME:
            yield Finding("file", f"operator set {entry.domain} {entry.version}")


def _functions(model: ModelProto) -> Iterator[Finding]:
    for function in model.functions:
        yield Finding(function.name, "a function, in a file that is to be plain")
    for node in _custom_nodes(model):
        yield Finding(node.name, f"{node.op_type}, in a file that is to be plain")


def _forbidden_operators(model: ModelProto) -> Iterator[Finding]:
    for where, node in _all_nodes(model):
        if node.domain in {"", "ai.onnx"} and node.op_type in _FORBIDDEN:
            yield Finding(where, f"{node.op_type}: {_FORBIDDEN[node.op_type]}")


def _scatter_reductions(model: ModelProto) -> Iterator[Finding]:
    for where, node in _all_nodes(model):
        reduction = _attributes(node).get("reduction")
        if node.op_type not in _SCATTERS or reduction is None:
            continue
        # TensorRT before 10.9 fails if a ScatterND merely has the attribute, even "none".
        if reduction.s != b"none" or node.op_type == "ScatterND":
            yield Finding(where, f"{node.op_type} with reduction={reduction.s.decode()!r}")


def _topk_in_graph(model: ModelProto) -> Iterator[Finding]:
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "TopK":
            continue
        if node.input[1] not in constants:
            yield Finding(node.name, "TopK whose K is computed")
        elif (k := int(onnx.numpy_helper.to_array(constants[node.input[1]]).item())) > MAX_TOPK:
            yield Finding(node.name, f"TopK with K = {k:,}, above {MAX_TOPK:,}")


def _topk_in_match(model: ModelProto) -> Iterator[Finding]:
    needed = {"height", "width", "stride_y", "stride_x", "merged"}
    for node in _custom_nodes(model):
        # What lacks one of them breaks its contract, and is told so.
        if node.op_type != "SegppTokenMatch" or not needed <= set(_attributes(node)):
            continue
        if (k := _selected_by(node)) > MAX_TOPK:
            problem = f"selects {k:,} tokens; without the plugin TensorRT takes {MAX_TOPK:,}"
            yield Finding(node.name, problem, warning=True)


def _selected_by(node: NodeProto) -> int:
    values = {name: attribute.i for name, attribute in _attributes(node).items()}
    grid = Grid(values["height"], values["width"])
    partition = BipartitePartition(grid, values["stride_y"], values["stride_x"])
    # The body selects the sources that stay, and one more.
    return partition.num_sources - values["merged"] + 1


def _contracts(model: ModelProto) -> Iterator[Finding]:
    functions = {(function.domain, function.name) for function in model.functions}
    for node in _custom_nodes(model):
        contract = ops.CONTRACTS.get(node.op_type)
        if contract is None:
            yield Finding(node.name, f"unknown operator {node.op_type} in domain {ops.DOMAIN}")
            continue
        expected = {*contract.attributes, "plugin_version", "plugin_namespace"}
        for name in sorted(expected - set(_attributes(node)) - set(contract.optional)):
            yield Finding(node.name, f"{node.op_type} lacks the attribute {name}")
        if (ops.DOMAIN, node.op_type) not in functions:
            yield Finding(node.name, f"{node.op_type} has no function in the file")


def _int64_inputs(model: ModelProto) -> Iterator[Finding]:
    graph = model.graph
    values = [*graph.input, *graph.value_info]
    wide = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.INT64}
    wide |= {t.name for t in graph.initializer if t.data_type == TensorProto.INT64}
    for node in _custom_nodes(model):
        for name in set(node.input) & wide:
            yield Finding(node.name, f"{node.op_type} takes {name}, which is INT64")


def _names(model: ModelProto) -> Iterator[Finding]:
    for where, node in _all_nodes(model):
        if "_" in node.output:
            yield Finding(where, "a value is called '_'; TensorRT-RTX dies of two of them")
    for function in model.functions:
        if onnx.defs.has(function.name):
            yield Finding(function.name, "the function has the name of an ONNX operator")


def _privacy(model: ModelProto) -> Iterator[Finding]:
    graph = model.graph
    items = [*graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info]
    # The text of a function is ours and says what it does.
    items += [node for function in model.functions for node in function.node]
    if model.metadata_props or graph.metadata_props or model.doc_string or graph.doc_string:
        yield Finding("file", "metadata of the exporting machine")
    for item in items:
        if item.metadata_props or item.doc_string:
            yield Finding(item.name, "metadata of the exporting machine")


_RULES: tuple[Callable[[ModelProto], Iterable[Finding]], ...] = (
    _static_shapes,
    _versions,
    _forbidden_operators,
    _topk_in_graph,
    _topk_in_match,
    _contracts,
    _int64_inputs,
    _names,
    _privacy,
    _scatter_reductions,
)

# What other engines refuse and ONNX Runtime does not.
_PORTABLE_RULES: tuple[Callable[[ModelProto], Iterable[Finding]], ...] = (_dialect,)


def _all_nodes(model: ModelProto) -> Iterator[tuple[str, NodeProto]]:
    for node in model.graph.node:
        yield node.name, node
    for function in model.functions:
        for index, node in enumerate(function.node):
            yield _place(function, index), node


def _place(function: FunctionProto, index: int) -> str:
    return f"{function.name}, node {index}"


def _custom_nodes(model: ModelProto) -> Iterator[NodeProto]:
    return (node for node in model.graph.node if node.domain == ops.DOMAIN)


def _attributes(node: NodeProto) -> dict[str, onnx.AttributeProto]:
    return {attribute.name: attribute for attribute in node.attribute}
