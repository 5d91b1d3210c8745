"""From a torch module to a raw ONNX model with every dimension fixed."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

from segpp.export.models.precision import Deployed
from segpp.ops.grid import Size

__all__ = ["OPSET", "trace", "trace_module"]

# Read by onnxruntime 1.23 and TensorRT 10.3; the first with LayerNormalization is 17.
OPSET = 18


def trace(model: Deployed, size: Size, batch: int) -> onnx.ModelProto:
    """Export the network for one input size; the result still carries torch's metadata.

    Our operators become nodes of the domain ``segpp``, without their functions.
    """
    image = torch.zeros(batch, model.model.architecture.channels, *size)
    return trace_module(model, image, names=("image", "logits"))


def trace_module(module: nn.Module, x: Tensor, *, names: tuple[str, ...]) -> onnx.ModelProto:
    """Export any module of one input; ``names`` are the input's and then those of the outputs."""
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            module,
            (x,),
            dynamo=True,
            opset_version=OPSET,
            input_names=names[:1],
            output_names=names[1:],
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing although no file was asked for")
    return program.model_proto


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
