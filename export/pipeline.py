"""The export, from a checkpoint to a checked file and its manifest.

checkpoint -> model with that layout's numerics -> static reduction plan -> exact rewrites ->
trace -> clean -> lint -> parity on masks (with the network as it was before the rewrites) -> file
and manifest, both or neither.
"""

import platform
from importlib.metadata import version
from pathlib import Path

import onnx

from segpp import __version__
from segpp.export.config import AUTO, ExportRequest, Settled
from segpp.export.cost_model import doubts_about_merging
from segpp.export.match_sharing_search import with_measured_matches
from segpp.export.models.precision import deployed
from segpp.export.models.segformer.loading import read_checkpoint
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites._apply import rewrites_for, rewritten
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.onnx_graph.io_wrapper import Interface
from segpp.export.onnx_graph.lint import check_clean
from segpp.export.onnx_graph.trace import trace_module
from segpp.export.parity import check_parity, measure
from segpp.export.parity.images import GateImage, gate_image
from segpp.export.resolve import check_request, min_agreement, settle
from segpp.images import sample_image
from segpp.manifest import (
    FileInfo,
    Manifest,
    OutputSpec,
    Parity,
    Source,
    render_manifest,
)
from segpp.utils.files import atomic_write, check_writable, manifest_path, sha256_of
from segpp.utils.progress import step

__all__ = ["export"]

_TOOLS = ("torch", "onnx", "onnxscript", "onnx-graphsurgeon", "onnxruntime", "numpy")


def export(request: ExportRequest) -> Manifest:
    """Write ``request.out`` and its manifest, and return the manifest.

    Raises:
        InputError: The checkpoint, a number or a place to write to cannot be used.
        CheckError: The file would break a rule of its targets or not follow PyTorch; nothing is
            written.
    """
    check_request(request)
    check_writable(request.out)
    with step("reading the checkpoint"):
        checkpoint = read_checkpoint(request.checkpoint, source=request.source)
    settled = settle(request, checkpoint)
    path = request.image or sample_image()
    image = gate_image(path, settled.input) if request.check else None
    if request.match_every == AUTO:
        settled = with_measured_matches(settled)
    model = checkpoint.model().reduce(settled.plan.items(), match_every=settled.match_every)
    graph, warnings = _graph(model, settled)
    with atomic_write(request.out, manifest_path(request.out)) as (part, manifest_part):
        part.write_bytes(graph.SerializeToString())
        parity = _gate(model, settled, part, image) if image is not None else None
        doubts = doubts_about_merging(checkpoint.architecture, settled.size, settled.sites)
        notes = (*checkpoint.notes, *warnings, *doubts)
        manifest = _manifest(settled, graph, part, parity, notes)
        manifest_part.write_text(render_manifest(manifest), encoding="utf-8")
    return manifest


def _graph(model: SegFormer, settled: Settled) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    request = settled.request
    names = rewrites_for(request.target, off=request.rewrites_off)
    with step("tracing"):
        network = deployed(rewritten(model, names), request.precision)
        whole = Interface(network, settled.input, request.output)
        graph = clean(trace_module(whole, whole.example(), names=whole.names), request.target)
    with step("checking the graph against its targets' rules"):
        onnx.checker.check_model(graph, full_check=True)
        return graph, check_clean(graph, request.target)


def _gate(model: SegFormer, settled: Settled, part: Path, image: GateImage) -> Parity:
    path, needed = image.path, min_agreement(settled.request)
    with step(f"comparing with PyTorch on {path.name}"):
        measured = measure(
            model, part, image.normalised, fed=image.fed, precision=settled.request.precision
        )
    check_parity(measured, needed)
    return Parity(
        image=path.name,
        image_sha256=sha256_of(path),
        min_agreement=needed,
        **vars(measured),
    )


def _manifest(
    settled: Settled,
    graph: onnx.ModelProto,
    part: Path,
    parity: Parity | None,
    notes: tuple[str, ...],
) -> Manifest:
    request, checkpoint = settled.request, settled.checkpoint
    return Manifest(
        kind="onnx",
        segpp=__version__,
        file=FileInfo(request.out.name, sha256_of(part), part.stat().st_size),
        source=Source(request.checkpoint.name, checkpoint.sha256, checkpoint.layout),
        architecture=checkpoint.architecture,
        classes=settled.classes,
        input=settled.input,
        outputs=tuple(_output_spec(settled, output) for output in graph.graph.output),
        reduction=settled.sites,
        precision="fp16" if request.precision == "fp16" else "fp32",
        tools={"python": platform.python_version(), **{name: version(name) for name in _TOOLS}},
        parity=parity,
        match_search=settled.match_search,
        notes=notes if request.check else (*notes, "not compared with PyTorch (--no-check)"),
        options=_options(request),
    )


def _options(request: ExportRequest) -> dict[str, str]:
    names = rewrites_for(request.target)
    off = set(request.rewrites_off)
    return {
        "target": request.target,
        "rewrites": " ".join(name for name in names if name not in off) or "none",
        "rewrites_off": " ".join(name for name in names if name in off) or "none",
    }


def _output_spec(settled: Settled, output: onnx.ValueInfoProto) -> OutputSpec:
    kind = output.type.tensor_type
    return OutputSpec(
        name=output.name,
        kind="labels" if output.name == "labels" else "logits",
        shape=tuple(dim.dim_value for dim in kind.shape.dim),
        dtype=onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
        align_corners=settled.checkpoint.numerics.align_corners,
    )
