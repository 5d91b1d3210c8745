"""An ONNX file: its graph, its custom operators, and what its targets would say to it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from segpp import ops
from segpp.calib.writers import WRITERS
from segpp.errors import GraphError
from segpp.export.onnx_graph.lint import Finding, lint, target_of
from segpp.inspection.board.boards import Board
from segpp.inspection.board.estimate import estimate_file, estimate_sections
from segpp.inspection.manifest import manifest_sections, read_beside
from segpp.inspection.onnx_macs import OnnxMacs, Shapes, count_macs, shapes_of
from segpp.inspection.report import GLUE, Report, Section, facts, giga, megabytes, rows
from segpp.manifest import Manifest
from segpp.manifest.dataclass_json import encode
from segpp.runtime.onnx_reader.external_data import check_model

__all__ = ["inspect_onnx"]

_FINDINGS = 10
_TYPES = {"float": "float32", "double": "float64"}


def inspect_onnx(path: Path, board: Board | None = None) -> Report:
    """Describe an ONNX file and the manifest beside it.

    Args:
        path: The file.
        board: Estimate what this board needs for it, too.

    Raises:
        GraphError: It is missing or damaged.
    """
    model = _load(path)
    shapes = shapes_of(model)
    macs, findings = count_macs(model, shapes), _lint(model)
    manifest, state, problems = read_beside(path)
    custom = _custom(model, shapes)
    estimate = None if board is None else estimate_file(model, board, name=str(path))
    return Report(
        name=str(path),
        says="an ONNX file",
        sections=(
            _file(path, model, macs, state),
            _interface(model),
            _nodes(model),
            rows("custom operators", [_CUSTOM_HEADING, *custom], "lrll"),
            _findings(findings, manifest),
            *(manifest_sections(manifest) if manifest else ()),
            # Last, where whoever asked for it looks.
            *(estimate_sections(estimate) if estimate else ()),
        ),
        data={
            **_data(path, model, macs),
            "custom": [dict(zip(_CUSTOM_HEADING, row, strict=True)) for row in custom],
            "findings": [asdict(finding) for finding in findings],
            **({"estimate": estimate.data()} if estimate else {}),
            "manifest_state": state,
            "manifest": manifest and encode(manifest),
        },
        problems=problems,
    )


def _load(path: Path) -> ModelProto:
    check_model(path)
    try:
        # Weights beside the file are not needed, and its paths to them are not to be trusted.
        model = onnx.load(path, load_external_data=False)
    except Exception as failure:  # protobuf's errors share no public base class
        raise GraphError(f"{path} is not an ONNX file, or damaged", str(failure)) from failure
    if not model.graph.node:
        raise GraphError(f"{path} is not an ONNX file, or its graph is empty")
    if not all(isinstance(name, str) for name in _names(model)):
        # protobuf hands out what is not UTF-8 as bytes.
        raise GraphError(f"{path} is damaged", "a name in it is not text")
    return model


def _names(model: ModelProto) -> Iterator[object]:
    graph, functions = model.graph, model.functions
    yield from (model.producer_name, model.producer_version)
    yield from (entry.domain for entry in model.opset_import)
    yield from (tensor.name for tensor in graph.initializer)
    for value in [*graph.input, *graph.output, *graph.value_info]:
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for function in functions:
        yield from (function.name, function.domain)
    for node in [*graph.node, *(node for function in functions for node in function.node)]:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _lint(model: ModelProto) -> list[Finding]:
    try:
        return lint(model, target_of(model))
    except (KeyError, IndexError, ValueError, ZeroDivisionError, AttributeError) as failure:
        return [Finding("file", f"too irregular for the rules: {failure!r}")]


def _file(path: Path, model: ModelProto, macs: OnnxMacs, manifest: str) -> Section:
    return facts(
        "file",
        {
            "size": megabytes(path.stat().st_size),
            "written by": f"{model.producer_name} {model.producer_version}".strip() or "unknown",
            "versions": f"IR {model.ir_version}, "
            + ", ".join(f"{name} {version}" for name, version in _opsets(model).items()),
            "parameters": _parameters_text(model),
            "MACs": f"{giga(macs.graph)} billion a call, of the nodes in this file",
            "in functions": _bodies(macs),
            "not counted": ", ".join(f"{n} {name}" for name, n in macs.uncounted.items()),
            "manifest": manifest,
        },
    )


def _bodies(macs: OnnxMacs) -> str | None:
    return f"{giga(macs.bodies)} billion more, unless plugins replace them" if macs.bodies else None


def _interface(model: ModelProto) -> Section:
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    cells = [["", "name", "shape", "type"]]
    cells += [["input", *_tensor(v)] for v in graph.input if v.name not in constants]
    cells += [["output", *_tensor(value)] for value in graph.output]
    return rows("tensors", cells, "llll")


def _nodes(model: ModelProto) -> Section:
    lines = {f"graph, {len(model.graph.node)}": _counted(model.graph.node)}
    for function in model.functions:
        lines[f"{function.name}, {len(function.node)}"] = _counted(function.node)
    return facts("nodes", lines)


_CUSTOM_HEADING = ["operator", "nodes", "tokens", "attributes"]


def _custom(model: ModelProto, shapes: Shapes) -> list[list[str]]:
    """Return a row for each kind of custom node: operator, count, tokens, attributes."""
    standard = {"", "ai.onnx", "ai.onnx.ml"}
    kinds = Counter(
        (node.op_type, _flow(node, shapes), _attributes(node))
        for node in model.graph.node
        if node.domain not in standard
    )
    return [[name, str(count), flow, text] for (name, flow, text), count in kinds.items()]


def _flow(node: NodeProto, shapes: Shapes) -> str:
    before, after = shapes.get(node.input[0], ()), shapes.get(node.output[0], ())
    if node.op_type == "SegppTokenMatch" and len(before) > 1:
        merged = next((a.i for a in node.attribute if a.name == "merged"), 0)
        return f"{before[1]:,} -> {before[1] - merged:,}"
    if node.domain == ops.DOMAIN and len(before) == len(after) == 3:  # noqa: PLR2004 - (B, N, C)
        return f"{before[1]:,} -> {after[1]:,}"
    return " -> ".join(f"({', '.join(map(str, shape))})" for shape in (before, after))


def _attributes(node: NodeProto) -> str:
    numbers = [f"{a.name}={a.i}" for a in node.attribute if a.type == onnx.AttributeProto.INT]
    return " ".join(numbers)


def _findings(findings: list[Finding], manifest: Manifest | None) -> Section:
    if not findings:
        return facts("rules of the targets", {"kept": "all", "runs in": _engines(manifest)})
    shown = findings[:_FINDINGS]
    lines = [["", "where", "what"]]
    lines += [["warning" if f.warning else "broken", f.where, f.problem] for f in shown]
    if len(findings) > len(shown):
        lines.append(["", "…", f"{len(findings) - len(shown)} more"])
    return rows("rules of the targets", lines, "lll")


def _engines(manifest: Manifest | None) -> str | None:
    """Return the engines that a file is for where its precision leaves out others, else None."""
    if manifest and manifest.calibration:
        target = manifest.calibration.target
        title = WRITERS[target].title if target in WRITERS else target
        return f"{title} alone, whose form of INT8 it has"
    if manifest and manifest.precision == "bf16":
        return "TensorRT-RTX and OpenVINO; ONNX Runtime does not run BF16 on a CPU"
    return None


def _data(path: Path, model: ModelProto, macs: OnnxMacs) -> dict[str, Any]:
    graph = model.graph
    return {
        "bytes": path.stat().st_size,
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "ir_version": model.ir_version,
        "opsets": _opsets(model),
        "parameters": dict(_parameters(model)),
        "inputs": [_tensor(value) for value in graph.input],
        "outputs": [_tensor(value) for value in graph.output],
        "nodes": dict(_count(graph.node)),
        "functions": {function.name: dict(_count(function.node)) for function in model.functions},
        "macs": asdict(macs),
    }


def _opsets(model: ModelProto) -> dict[str, int]:
    return {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}


def _parameters(model: ModelProto) -> Counter[str]:
    """Return how many numbers the file holds, by type; integers are shapes and indices."""
    counts = Counter[str]()
    for tensor in model.graph.initializer:
        counts[_type(tensor.data_type)] += prod(tensor.dims)
    return counts


def _parameters_text(model: ModelProto) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in _parameters(model).most_common())


def _tensor(value: ValueInfoProto) -> list[str]:
    kind = value.type.tensor_type
    dims = [
        str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim
    ]
    return [value.name, f"({', '.join(dims)})", _type(kind.elem_type)]


def _type(code: int) -> str:
    known = TensorProto.DataType.values()
    name = TensorProto.DataType.Name(code).lower() if code in known else f"type {code}"
    return _TYPES.get(name, name)


def _count(nodes: Iterable[NodeProto]) -> Counter[str]:
    return Counter(node.op_type for node in nodes)


def _counted(nodes: Iterable[NodeProto]) -> str:
    return ", ".join(f"{n}{GLUE}{name}" for name, n in _count(nodes).most_common())
