"""From torch's raw ONNX to the graph we ship: nothing dead or private, our functions in it."""

import onnx
import onnx_ir
from onnx_ir.passes import Sequential, common

from segpp import __version__, ops
from segpp.export.custom_ops.functions import functions_for
from segpp.export.custom_ops.unmerge_add import join_unmerge_add
from segpp.export.targets import MAX_IR_VERSION, PORTABLE, TENSORRT

__all__ = ["clean"]


def clean(
    model: onnx_ir.Model, target: str = PORTABLE, *, name: str = "network"
) -> onnx.ModelProto:
    """Return the model tidied, with the functions of its custom operators attached.

    torch's exporter writes stack traces with local paths, class names and its own notes into the
    metadata of every node and value.

    Args:
        model: As traced; it is changed.
        target: The dialect of the file, one of ``segpp.export.targets.TARGETS``.
        name: Of the graph.

    Raises:
        GraphError: The nodes of an operator cannot share one function.
    """
    # 1. Passes of the ONNX project, each of which a reader can look up by its name.
    passes = Sequential(
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.RemoveUnusedNodesPass(),
        common.TopologicalSortPass(),
        common.ClearMetadataAndDocStringPass(),
    )
    proto = onnx_ir.to_proto(passes(model).model)
    # 2. What those passes leave of the exporting machine, and names that tell the operator.
    _strip(proto, name)
    if target == TENSORRT:
        join_unmerge_add(proto.graph)
    _name_nodes(proto.graph)
    # 3. Our functions, and the operator sets that are in use then.
    _attach_functions(proto, target)
    return proto


def _strip(model: onnx.ModelProto, name: str) -> None:
    model.producer_name, model.producer_version = "segpp", __version__
    model.ir_version = min(model.ir_version, MAX_IR_VERSION)
    del model.metadata_props[:]
    model.doc_string = model.domain = ""
    graph = model.graph
    graph.name = name
    # An initializer tells its own shape.
    constants = {tensor.name for tensor in graph.initializer}
    inner = [value for value in graph.value_info if value.name not in constants]
    del graph.value_info[:]
    graph.value_info.extend(inner)
    # The pass clears nodes and graphs; values have metadata too.
    for item in [*graph.initializer, *graph.input, *graph.output, *graph.value_info]:
        del item.metadata_props[:]
        item.doc_string = ""


def _name_nodes(graph: onnx.GraphProto) -> None:
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"


def _attach_functions(model: onnx.ModelProto, target: str) -> None:
    del model.functions[:]
    model.functions.extend(functions_for(model.graph, target))
    used = {node.domain for node in model.graph.node} | {"", "ai.onnx"}
    standard = [e for e in model.opset_import if e.domain in used - {ops.DOMAIN}]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    if model.functions:
        model.opset_import.append(onnx.helper.make_opsetid(ops.DOMAIN, ops.VERSION))
