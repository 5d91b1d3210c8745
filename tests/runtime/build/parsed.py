"""Graphs written down, as the parser of TensorRT-RTX makes networks of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx

from segpp.runtime.build.compile import make_logger, open_builder, parse_model

__all__ = ["parsed", "parsed_with_builder"]


HEAD = '<ir_version: 8, opset_import: ["": 18]>'


@contextmanager
def parsed_with_builder(graph: str, *, head: str = HEAD) -> Iterator[tuple[Any, Any]]:
    """Yield a builder, and the network of a graph in ONNX's textual form."""
    import tensorrt_rtx as trt  # noqa: PLC0415 - who imports this file may lack it

    logger = make_logger(trt, lambda _severity, _text: None)
    builder = open_builder(trt, logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    model = onnx.parser.parse_model(head + graph).SerializeToString()
    parser = parse_model(trt, network, model, Path("g.onnx"), logger)
    yield builder, network
    # A network refers to what its parser holds.
    del parser


@contextmanager
def parsed(graph: str, *, head: str = HEAD) -> Iterator[tuple[Any, Any]]:
    """Yield the module, and the network of a graph in ONNX's textual form."""
    import tensorrt_rtx as trt  # noqa: PLC0415 - as above

    with parsed_with_builder(graph, head=head) as (_, network):
        yield trt, network
