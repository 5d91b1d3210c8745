"""The export, from a checkpoint to a checked file and its manifest.

1. Load: the checkpoint, with the numerics of the code that trained it.
2. Resolve: every choice of the caller against the checkpoint, once.
3. Build: the network in PyTorch with its token reductions, static in every shape.
4. Rewrite: a copy of the network that computes the same in fewer operations.
5. Trace: the copy in the file's precision, with its input and outputs, as ONNX.
6. Clean: nothing of this machine, the functions of the custom operators in it.
7. Lint: the rules of the targets.
8. Parity: the file against the network as it was before step 4, on masks of a real image.
9. Write: file and manifest, both or neither.
"""

import platform
from importlib.metadata import version
from pathlib import Path
from threading import Lock

import onnx

from segpp import __version__
from segpp.export.config import AUTO, ExportConfig, ExportResult
from segpp.export.config.check import check_config
from segpp.export.config.resolve import ResolvedExport, resolve, resolve_input, resolve_reduction
from segpp.export.cost_model import cost_advice, cost_warnings
from segpp.export.images import ParityImage, images_in, read_parity_image
from segpp.export.match_sharing_search import MatchSharing, search_match_sharing
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.network import Network
from segpp.export.models.precision import cast_model
from segpp.export.models.rewriting import apply_rewrites
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.onnx_graph.io_wrapper import ModelWithIO
from segpp.export.onnx_graph.lint import check_clean
from segpp.export.onnx_graph.trace import trace
from segpp.export.parity import check_parity, measure_parity
from segpp.export.reduction.config import ReductionConfig
from segpp.images import sample_image
from segpp.manifest import (
    FileInfo,
    InputSpec,
    Manifest,
    OutputSpec,
    Parity,
    Source,
    render_manifest,
)
from segpp.utils.files import atomic_write, manifest_path, sha256_of
from segpp.utils.progress import step

__all__ = ["export_onnx"]

_RECORDED_PACKAGES = (
    "torch",
    "onnx",
    "onnxscript",
    "onnx-ir",
    "onnxruntime",
    "numpy",
)


# While torch traces a network it takes every network of the process for one that is traced.
_ONE_AT_A_TIME = Lock()


def export_onnx(config: ExportConfig) -> ExportResult:
    """Write ``config.out`` and its manifest; of several threads one exports and the others wait.

    Raises:
        InputError: The checkpoint, a number or a place to write to cannot be used.
        CheckError: The file would break a rule of its targets or not follow PyTorch; nothing is
            written.
    """
    # What is wrong without looking at the checkpoint is told before it is read.
    check_config(config)
    with _ONE_AT_A_TIME:
        return _export(config)


def _export(config: ExportConfig) -> ExportResult:
    # 1. Load
    with step("reading the checkpoint"):
        checkpoint = load_checkpoint(config.checkpoint, checkpoint_format=config.checkpoint_format)
    # 2. Resolve. The search for shared matches runs PyTorch on images, so it comes after all that
    #    can be refused at once, and hands its result on like any other choice.
    spec = resolve_input(config, checkpoint)
    reduction = resolve_reduction(config, checkpoint, spec)
    image = read_parity_image(_parity_path(config), spec) if config.check else None
    sharing = _match_sharing(config, checkpoint, spec, reduction)
    plan = resolve(config, checkpoint, spec, reduction, sharing)

    # 3. Build
    model = checkpoint.build().apply_reductions(plan.reduction, match_interval=sharing.interval)
    graph, findings = _build_graph(model, plan)
    warnings = cost_warnings(checkpoint.architecture, plan.size, plan.sites)
    # 8. and 9.: the check is made on the very bytes that are kept.
    with atomic_write(config.out, manifest_path(config.out)) as (part, manifest_part):
        part.write_bytes(graph.SerializeToString())
        parity = _check_parity(model, part, image, plan) if image is not None else None
        advice = cost_advice(checkpoint.architecture, plan.size, plan.sites)
        notes = (*checkpoint.notes, *findings, *advice, *warnings)
        manifest = _manifest(plan, graph, part, parity, notes)
        manifest_part.write_text(render_manifest(manifest), encoding="utf-8")
    return ExportResult(manifest, warnings)


def _parity_path(config: ExportConfig) -> Path:
    return config.parity_image or sample_image()


def _match_sharing(
    config: ExportConfig, checkpoint: Checkpoint, spec: InputSpec, reduction: ReductionConfig
) -> MatchSharing:
    if config.match_interval != AUTO:
        return MatchSharing(config.match_interval)
    images = images_in(config.search_images or (_parity_path(config),))
    with step(f"measuring which matches can be used again, on {len(images)} image(s)"):
        return search_match_sharing(checkpoint, reduction, spec, images)


def _build_graph(model: Network, plan: ResolvedExport) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    config = plan.config
    # 4. to 6. The rewritten copy is for the file alone; ``model`` stays what the check runs.
    with step(f"tracing at {plan.size}"):
        rewritten = apply_rewrites(model, plan.rewrites.on.values())
        network = cast_model(rewritten, config.precision)
        module = ModelWithIO(network, plan.input, config.outputs)
        traced = trace(module, module.example(), names=module.names)
        name = family_of(model.architecture).name
        graph = clean(traced, config.target, name=name)
    # 7. ONNX's own rules, then those of the targets.
    with step("checking the graph against its targets' rules"):
        onnx.checker.check_model(graph, full_check=True)
        return graph, check_clean(graph, config.target)


def _check_parity(model: Network, part: Path, image: ParityImage, plan: ResolvedExport) -> Parity:
    whose = ", the bundled picture" if plan.config.parity_image is None else ""
    with step(f"comparing with PyTorch on {image.name}{whose}"):
        parity = measure_parity(
            model,
            part,
            image,
            precision=plan.config.precision,
            min_agreement=plan.min_agreement,
        )
    check_parity(parity)
    return parity


def _manifest(
    plan: ResolvedExport,
    graph: onnx.ModelProto,
    part: Path,
    parity: Parity | None,
    notes: tuple[str, ...],
) -> Manifest:
    config, checkpoint = plan.config, plan.checkpoint
    packages = {name: version(name) for name in _RECORDED_PACKAGES}
    return Manifest(
        kind="onnx",
        segpp=__version__,
        file=FileInfo(config.out.name, sha256_of(part), part.stat().st_size),
        source=Source(config.checkpoint.name, checkpoint.sha256, checkpoint.format),
        architecture=checkpoint.architecture,
        classes=plan.classes,
        input=plan.input,
        outputs=tuple(_output_spec(plan, output) for output in graph.graph.output),
        reduction=plan.sites,
        precision="fp16" if config.precision == "fp16" else "fp32",
        tools={"python": platform.python_version(), **packages},
        parity=parity,
        match_search=plan.sharing.search,
        notes=notes if config.check else (*notes, "not compared with PyTorch (--no-check)"),
        options={
            "target": config.target,
            "rewrites": " ".join(plan.rewrites.on) or "none",
            "rewrites_off": " ".join(plan.rewrites.off) or "none",
        },
    )


def _output_spec(plan: ResolvedExport, output: onnx.ValueInfoProto) -> OutputSpec:
    kind = output.type.tensor_type
    return OutputSpec(
        name=output.name,
        kind="labels" if output.name == "labels" else "logits",
        shape=tuple(dim.dim_value for dim in kind.shape.dim),
        dtype=onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name,
        align_corners=plan.checkpoint.align_corners,
    )
