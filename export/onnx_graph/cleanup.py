"""From torch's raw ONNX to the graph we ship: nothing dead or private, our functions in it."""

import onnx
import onnx_graphsurgeon as gs

from segpp import __version__, ops
from segpp.export.custom_ops.functions import functions_for
from segpp.export.targets import PORTABLE

__all__ = ["MAX_IR_VERSION", "clean"]

# Read by onnxruntime 1.16 and later, and by every TensorRT 10.
MAX_IR_VERSION = 9


def clean(model: onnx.ModelProto, target: str = PORTABLE) -> onnx.ModelProto:
    """Return the model tidied, with the functions of its custom operators attached.

    torch's exporter writes stack traces with local paths, class names and its own notes into every
    node's metadata. graphsurgeon keeps none of that; what it does keep is removed here.
    """
    graph = gs.import_onnx(model)
    graph.functions = []
    graph.cleanup().toposort()
    tidy: onnx.ModelProto = gs.export_onnx(graph, do_type_check=False)
    _name_nodes(tidy.graph)
    _strip(tidy)
    _attach_functions(tidy, target)
    return tidy


def _name_nodes(graph: onnx.GraphProto) -> None:
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"


def _strip(model: onnx.ModelProto) -> None:
    model.producer_name, model.producer_version = "segpp", __version__
    model.ir_version = min(model.ir_version, MAX_IR_VERSION)
    del model.metadata_props[:]
    model.doc_string = model.domain = ""
    graph = model.graph
    graph.name, graph.doc_string = "segformer", ""
    del graph.metadata_props[:]
    values = [*graph.input, *graph.output, *graph.value_info]
    for item in [*graph.node, *graph.initializer, *values]:
        del item.metadata_props[:]
        item.doc_string = ""


def _attach_functions(model: onnx.ModelProto, target: str) -> None:
    del model.functions[:]
    model.functions.extend(functions_for(model.graph, target))
    used = {node.domain for node in model.graph.node} | {"", "ai.onnx"}
    standard = [e for e in model.opset_import if e.domain in used - {ops.DOMAIN}]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    if model.functions:
        model.opset_import.append(onnx.helper.make_opsetid(ops.DOMAIN, ops.VERSION))
