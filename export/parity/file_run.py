"""A file run for the parity check: its logits, its labels, every match and choice inside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from segpp import ops
from segpp.export.custom_ops.torch_ops import MatchSettings
from segpp.export.images import ParityImage
from segpp.images.postprocess import resize_argmax
from segpp.ops.partition import BipartitePartition
from segpp.utils.limits import default_threads

__all__ = ["FileOutcome", "run_file"]


@dataclass(frozen=True)
class FileOutcome:
    """What ONNX Runtime computed.

    Attributes:
        logits: (B, K, h, w)
        labels: (B, H, W)
        matches: Settings and slots (B, N) of every match.
        choices: Where each image decides which token of a cell is its destination: the cells, and
            the order (B, N) in which the tokens were matched.
        slots: What it unmerges by that is of no match, (B, N) each, in order.
    """

    logits: NDArray[np.float32]
    labels: NDArray[Any]
    matches: list[tuple[MatchSettings, Tensor]]
    choices: list[tuple[BipartitePartition, Tensor]]
    slots: list[Tensor]


def run_file(
    model: onnx.ModelProto, images: Sequence[ParityImage], *, align_corners: bool
) -> tuple[FileOutcome, ...]:
    """Return what ONNX Runtime makes of each image; ``model`` gets outputs that it had inside."""
    matches = _different_matches(model.graph)
    logits = _logits_name(model.graph)
    # 1. Make outputs of the logits and of every match, which are values inside the graph.
    orders = _orders(model.graph, matches)
    others = [name for name in _slots(model.graph) if name not in orders]
    names = [logits, *(node.output[0] for node in matches), *orders, *others]
    outputs = {output.name for output in model.graph.output}
    inner = {value.name: value for value in model.graph.value_info}
    model.graph.output.extend(inner[name] for name in names if name not in outputs)
    # 2. Run the whole file, from its pixels if it takes pixels.
    options = onnxruntime.SessionOptions()
    # 0 is its own choice, which knows nothing of the limits of this process.
    options.intra_op_num_threads = default_threads() or 0
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    resized = [node.output[0] for node in _resizing(model.graph)]
    given, names = model.graph.input[0].name, [*names, *resized]
    settings = [_settings(node) for node in matches]
    outcomes = []
    for image in images:
        values = dict(zip(names, session.run(names, {given: image.input}), strict=True))
        slots = [torch.from_numpy(values[node.output[0]]) for node in matches]
        choices = [(partition, torch.from_numpy(values[n])) for n, partition in orders.items()]
        # 3. Labels as the runtime makes them where the file gives logits only.
        full = image.normalized.shape[2:]
        labels = (
            values[resized[0]]
            if resized
            else resize_argmax(values[logits], full, align_corners=align_corners)
        )
        matched = list(zip(settings, slots, strict=True))
        unmatched = [torch.from_numpy(values[name]) for name in others]
        outcomes.append(FileOutcome(values[logits], labels, matched, choices, unmatched))
    return tuple(outcomes)


def _different_matches(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the match nodes in order, one of those that match the same tokens alike."""
    matches: dict[tuple[str, MatchSettings], onnx.NodeProto] = {}
    for node in graph.node:
        if node.op_type == "SegppTokenMatch":
            matches.setdefault((node.input[0], _settings(node)), node)
    return list(matches.values())


def _orders(
    graph: onnx.GraphProto, matches: Sequence[onnx.NodeProto]
) -> dict[str, BipartitePartition]:
    """Return the orders in which tokens are matched, where the file computes any, in order."""
    makers = {node.output[0]: node for node in graph.node}
    orders = {}
    for match in matches:
        maker = makers.get(match.input[0])
        # Protection puts channels behind the tokens; in half precision they become FP32.
        while maker is not None and maker.op_type in {"Concat", "Cast"}:
            maker = makers.get(maker.input[0])
        if maker is not None and maker.op_type == "SegppTokenUnmerge":
            orders[maker.input[1]] = _settings(match).partition
    return orders


def _slots(graph: onnx.GraphProto) -> list[str]:
    """Return what tokens are unmerged by and no match made, each once, in order."""
    makers = {node.output[0]: node for node in graph.node}
    by = dict.fromkeys(n.input[1] for n in graph.node if n.op_type == "SegppTokenUnmerge")
    return [name for name in by if name in makers and makers[name].op_type != "SegppTokenMatch"]


def _logits_name(graph: onnx.GraphProto) -> str:
    # A file that gives labels only computes them from its logits.
    resized = _resizing(graph)
    name: str = resized[0].input[0] if resized else graph.output[0].name
    return name


def _resizing(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the node that makes labels, if the file gives any."""
    return [node for node in graph.node if node.op_type == "SegppResizeArgmax"]


def _settings(node: onnx.NodeProto) -> MatchSettings:
    values = {attribute.name: attribute.i for attribute in node.attribute}
    return MatchSettings(**{name: values[name] for name in ops.CONTRACTS[node.op_type].attributes})
