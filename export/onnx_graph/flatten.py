"""One flat graph of standard operators: for readers that know no functions and fold no constants.

The functions of our operators compute from a node's attributes what differs between nodes: ranges,
shapes, masks. ONNX Runtime and TensorRT fold that when they load a file; OpenCV, onnxslim, ONNX's
version converter and half-precision converters stumble over it. So here

1. every call is replaced by the body of its function,
2. what depends on no input is computed, and what nobody needs any more goes,
3. constants become initializers, equal ones one, and every value gets its shape.
"""

import math
from collections import Counter

import onnx
import onnx_ir
from onnx import GraphProto, ModelProto, TensorProto, inliner
from onnx_ir.passes import Sequential, common
from onnxscript import optimizer

from segpp import ops
from segpp.errors import CheckError

__all__ = ["FOLDED", "flatten"]

# What must not be left: each is computed from shapes or constants, all of which are known. Neither
# must anything else that sees constants alone.
FOLDED = frozenset({"CastLike", "Constant", "ConstantOfShape", "Range", "Shape", "Size"})

# Masks and numbers of a large image's tokens are a few megabytes; the limits only guard.
_MAX_FOLDED_BYTES = 1 << 28


def flatten(model: ModelProto) -> ModelProto:
    """Return the same computation without functions and without anything left to fold.

    Args:
        model: Clean, with every shape of its graph known.

    Raises:
        CheckError: Something is left that the readers of such a file do not take.
    """
    inlined = inliner.inline_local_functions(model)
    graph = onnx_ir.from_proto(onnx.shape_inference.infer_shapes(inlined, data_prop=True))
    optimizer.fold_constants(
        graph,
        onnx_shape_inference=True,
        input_size_limit=_MAX_FOLDED_BYTES,
        output_size_limit=_MAX_FOLDED_BYTES,
    )
    passes = Sequential(
        common.IdentityEliminationPass(),
        common.CommonSubexpressionEliminationPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.DeduplicateInitializersPass(),
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedOpsetsPass(),
        common.TopologicalSortPass(),
        common.ClearMetadataAndDocStringPass(),
    )
    flat = onnx_ir.to_proto(passes(graph).model)
    _unshare_scalars(flat.graph)
    _tidy(flat, model)
    _check_flat(flat)
    return flat


def _unshare_scalars(graph: GraphProto) -> None:
    """Give every node its own copy of a float constant of one value.

    Converters to half precision keep some operators in FP32 and name the casts before them by
    what is cast: two of them with one input would get nodes of one name.
    """
    scalars = {
        tensor.name: tensor
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and math.prod(tensor.dims) == 1
    }
    uses: Counter[str] = Counter()
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name not in scalars:
                continue
            if uses[name]:
                copy = graph.initializer.add()
                copy.CopyFrom(scalars[name])
                copy.name = node.input[place] = f"{name}_again_{uses[name]}"
            uses[name] += 1


def _tidy(flat: ModelProto, model: ModelProto) -> None:
    """Give the file the head of ``model``, its nodes names, and its values their shapes."""
    flat.producer_name, flat.producer_version = model.producer_name, model.producer_version
    flat.ir_version = model.ir_version
    del flat.metadata_props[:]
    for index, node in enumerate(flat.graph.node):
        node.name = f"{node.op_type}_{index}"
    del flat.graph.value_info[:]
    shaped = onnx.shape_inference.infer_shapes(flat, strict_mode=True, data_prop=True)
    constants = {tensor.name for tensor in flat.graph.initializer}
    flat.graph.value_info.extend(
        value for value in shaped.graph.value_info if value.name not in constants
    )


def _check_flat(model: ModelProto) -> None:
    constants = {tensor.name for tensor in model.graph.initializer}
    left = sorted(
        {
            node.op_type
            for node in model.graph.node
            if node.op_type in FOLDED or set(node.input) - {""} <= constants
        }
    )
    foreign = sorted({entry.domain for entry in model.opset_import} - {"", "ai.onnx"})
    doubles = [tensor.name for tensor in model.graph.initializer if _is_double(tensor.data_type)]
    doubles += [
        value.name
        for value in model.graph.value_info
        if _is_double(value.type.tensor_type.elem_type)
    ]
    problems = [
        *(f"{name} is left" for name in left),
        *(f"operators of {name or ops.DOMAIN} are left" for name in foreign),
        *(f"{name} is a double" for name in doubles[:3]),
    ]
    if problems:
        raise CheckError("the graph did not become plain", *problems)


def _is_double(kind: int) -> bool:
    return kind == TensorProto.DOUBLE
