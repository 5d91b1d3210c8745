"""From a torch module to a raw ONNX model with every dimension fixed."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx_ir
import torch
from torch import Tensor, nn

__all__ = ["OPSET", "trace"]

# Read by onnxruntime 1.23 and TensorRT 10.3; the first with LayerNormalization is 17.
OPSET = 18


def trace(module: nn.Module, x: Tensor, *, names: tuple[str, ...]) -> onnx_ir.Model:
    """Return any module of one input as ONNX; the result still carries torch's metadata.

    Our operators become nodes of the domain ``segpp``, without their functions.

    Args:
        module: What to trace, in inference mode.
        x: An example of its input, which fixes every size.
        names: The input's, then those of the outputs.
    """
    # dynamo: the exporter that follows torch.export, which knows our symbolic operators.
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            module,
            (x,),
            dynamo=True,
            opset_version=OPSET,
            input_names=names[:1],
            output_names=names[1:],
            # A SegFormer-B5 has 340 MB of weights, far below protobuf's 2 GB.
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing although no file was asked for")
    _free_names(program.model.graph, names)
    return program.model


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
