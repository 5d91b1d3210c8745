"""From a torch module to a raw ONNX model with every dimension fixed."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx_ir
import torch
from onnx_ir.passes import Sequential, common
from onnxscript import optimizer
from onnxscript.rewriter import RewritePass
from onnxscript.rewriter.rules import common as rules
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from segpp.export.targets import OPSET

__all__ = ["trace"]

# Where among its arguments each has the type; the last one has it by name.
_CASTS = {
    torch.ops.aten.to.dtype: 1,
    torch.ops.aten.to.device: 2,
    torch.ops.aten.to.dtype_layout: None,
}
# Operators of Python that have another's meaning, and those whose operands change places besides.
_ALIKE = {
    torch.ops.aten.__and__.Tensor: torch.ops.aten.bitwise_and.Tensor,
    torch.ops.aten.__or__.Tensor: torch.ops.aten.bitwise_or.Tensor,
}
_TURNED = {torch.ops.aten.rsub.Scalar: torch.ops.aten.sub.Tensor}

# What the translation of these networks leaves to be said more simply. onnxscript's optimizer asks
# every node for all the rules that it has, of which no others ever apply here.
_RULES = (
    *rules.mul_by_1_rule.commute(),
    *rules.add_0_rule.commute(),
    rules.sub_0_rule,
    rules.div_by_1_rule,
    rules.cast_cast_rule,
    rules.no_op_cast_rule,
    rules.no_op_expand_rule,
    rules.no_op_transpose_rule,
    rules.transpose_transpose_rule,
    rules.reshape_reshape_rule,
    rules.flatten_to_reshape_rule,
    rules.normalize_pad_format_conv_rule,
    rules.fuse_pad_into_conv_rule,
    rules.fuse_batchnorm_into_conv_rule,
    rules.remove_optional_bias_from_conv_rule,
)
# The second time finds what the first has brought together.
_ROUNDS = 2


def trace(module: nn.Module, x: Tensor, *, names: tuple[str, ...]) -> onnx_ir.Model:
    """Return any module of one input as ONNX; the result still carries torch's metadata.

    Our operators become nodes of the domain ``segpp``, without their functions.

    Args:
        module: What to trace, in inference mode.
        x: An example of its input, which fixes every size.
        names: The input's, then those of the outputs.
    """
    with _quiet(), torch.inference_mode():
        # Not strict: our own modules need no bytecode analysis, which takes seconds.
        program = torch.export.export(module, (x,), strict=False)
        model = _translate(program, names)
    _free_names(model.graph, names)
    return model


def _translate(program: ExportedProgram, names: tuple[str, ...]) -> onnx_ir.Model:
    try:
        return _convert(_whole(program), names)
    except torch.onnx.OnnxExporterError:
        # An operator without a translation of its own: torch knows smaller ones that have.
        del program.run_decompositions
        return _convert(program, names)


def _convert(program: ExportedProgram, names: tuple[str, ...]) -> onnx_ir.Model:
    # dynamo: the exporter that follows torch.export, which knows our symbolic operators.
    converted = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=OPSET,
        input_names=names[:1],
        output_names=names[1:],
        # A SegFormer-B5 has 340 MB of weights, far below protobuf's 2 GB.
        external_data=False,
        optimize=False,
        verbose=False,
    )
    if converted is None:
        raise RuntimeError("torch.onnx.export returned nothing although no file was asked for")
    return _simplified(converted.model)


def _simplified(model: onnx_ir.Model) -> onnx_ir.Model:
    """Return the model inlined, with what is constant computed, and by the rules above simpler."""
    unused = Sequential(
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedOpsetsPass(),
    )
    model = common.InlinePass()(model).model
    for _ in range(_ROUNDS):
        folded = optimizer.fold_constants(model, onnx_shape_inference=True)
        rewritten = RewritePass(_RULES)(model)
        removed = unused(rewritten.model)
        model = removed.model
        if not (folded.modified or rewritten.modified or removed.modified):
            break
    passes = Sequential(
        common.RemoveUnusedNodesPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.LiftSubgraphInitializersToMainGraphPass(),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.OutputFixPass(),
        common.NameFixPass(),
    )
    return passes(model).model


def _whole(program: ExportedProgram) -> ExportedProgram:
    """Spare the program its decomposition into smaller operators, which is a second trace.

    That takes as long as the first, and ONNX has every operator of these networks but a few, which
    get the name here that they would get there, and questions whose answers nobody uses.
    """
    for part in program.graph_module.modules():
        for node in list(part.graph.nodes) if isinstance(part, GraphModule) else ():
            if node.target in _CASTS:
                _lower_cast(node, _CASTS[node.target])
            elif node.target in _ALIKE:
                node.target = _ALIKE[node.target]
            elif node.target in _TURNED:
                node.target, node.args = _TURNED[node.target], node.args[1::-1]
            elif node.target is torch.ops.aten.promote_types.default and not node.users:
                part.graph.erase_node(node)
    program.run_decompositions = lambda *_args, **_kwargs: program
    return program


def _lower_cast(cast: Node, place: int | None) -> None:
    source = cast.args[0]
    dtype = cast.kwargs["dtype"] if place is None else cast.args[place]
    # The program knows its outputs by their nodes' names, so theirs stay.
    outside = any(user.op == "output" for user in cast.users)
    if isinstance(source, Node) and source.meta["val"].dtype == dtype and not outside:
        cast.replace_all_uses_with(source)
        cast.graph.erase_node(cast)
    else:
        cast.target = torch.ops.aten._to_copy.default  # noqa: SLF001 - its name in core ATen
        cast.args, cast.kwargs = (source,), {"dtype": dtype}


def _free_names(graph: onnx_ir.Graph, names: tuple[str, ...]) -> None:
    """Rename every value inside that has the name of an input or output: the caller chose these."""
    outside = {id(value) for value in (*graph.inputs, *graph.outputs)}
    inside = [
        *(value for node in graph for value in node.outputs),
        *graph.initializers.values(),
    ]
    for value in inside:
        if value.name in names and id(value) not in outside:
            value.name = f"{value.name}_inside"


@contextmanager
def _quiet() -> Iterator[None]:
    # The exporter reports on its own dependencies and internals; none of it is the user's.
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
