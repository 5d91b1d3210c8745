"""The export, from a checkpoint to a checked file and its manifest.

1. Load: the checkpoint, with the numerics of the code that trained it.
2. Resolve: every choice of the caller against the checkpoint, once.
3. Build: the network in PyTorch with its token reductions, static in every shape.
4. Rewrite: a copy of the network that computes the same in fewer operations.
5. Trace: the copy, with its input and outputs, as ONNX.
6. Clean: nothing of this machine, the functions of the custom operators in it.
7. Precision: weights and activations as halves, but for what its range keeps in FP32.
8. Lint: the rules of the targets.
9. Parity: the file against the network as it was before step 4, on masks of a real image.
10. Write: file, manifest, certificate and the folders of servers, all or none.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Lock

import onnx

from segpp.certificate.sealed import remove_certificate
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.config import AUTO, ExportConfig, ExportResult, gates_of
from segpp.export.config.check import check_config
from segpp.export.config.merging import shortfall_note
from segpp.export.config.origins import assumed_note
from segpp.export.config.resolve import (
    ResolvedExport,
    resolve,
    resolve_input,
    resolve_reduction,
)
from segpp.export.config.search import (
    channels_note,
    has_no_picture,
    images_to_search,
    search_note,
)
from segpp.export.config.student import student_note
from segpp.export.images import (
    MADE,
    ParityImage,
    SearchImage,
    made_parity_image,
    read_parity_image,
    search_images,
)
from segpp.export.models.base import Checkpoint, family_of, grids_of
from segpp.export.models.cost_model import cost_advice, cost_warnings
from segpp.export.models.gating import Gated, gate_channels, to_choose
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.memory_needs import check_memory, memory_needed, telling_when_memory_is_out
from segpp.export.models.network import Network
from segpp.export.models.rewriting import apply_rewrites
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.onnx_graph.flatten import flatten
from segpp.export.onnx_graph.half_file import half_note, half_step, in_half
from segpp.export.onnx_graph.io_wrapper import ModelWithIO, file_input
from segpp.export.onnx_graph.lint import check_clean
from segpp.export.onnx_graph.trace import trace
from segpp.export.parity import Seen, check_parity, check_same, compare
from segpp.export.parity.certify import images_to_see, write_certified
from segpp.export.parity.file_manifest import file_manifest
from segpp.export.parity.reference import (
    check_reference,
    measure_reference,
    read_reference,
)
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.export.reduction.counts import published_thresholds
from segpp.export.reduction.gates.config import ChannelGates, chooses_on_images, count_channels
from segpp.export.reduction.sites import Site
from segpp.export.search.counts import FoundCount, found_note, search_counts
from segpp.export.search.match_sharing import MatchSharing, search_match_sharing
from segpp.export.serving.base import Served
from segpp.export.serving.folders import served_folders, write_served, writing_all
from segpp.export.serving.request import check_servers
from segpp.export.targets import PLAIN, PORTABLE
from segpp.images import sample_image
from segpp.manifest import (
    InputSpec,
    Island,
    Parity,
)
from segpp.ops.grid import Grid, Size
from segpp.utils.files import certificate_path, manifest_path
from segpp.utils.limits import Room, usable_memory
from segpp.utils.progress import step

__all__ = ["export_onnx"]

# While torch traces a network it takes every network of the process for one that is traced.
_ONE_AT_A_TIME = Lock()


@telling_when_memory_is_out()
def export_onnx(config: ExportConfig) -> ExportResult:
    """Write ``config.out`` and its manifest; of several threads one exports and the others wait.

    Raises:
        InputError: The checkpoint, a number or a place to write to cannot be used.
        CheckError: The file would break a rule of its targets or not follow PyTorch; nothing is
            written.
        MissingError: There is less memory than it needs.
    """
    # What is wrong without looking at the checkpoint is told before it is read.
    check_config(config)
    with _ONE_AT_A_TIME:
        return _export(config)


def _export(config: ExportConfig) -> ExportResult:
    # 1. Load
    with step("reading the checkpoint"):
        checkpoint = load_checkpoint(config.checkpoint, choices=_choices(config))
    # 2. Resolve. The search for shared matches runs PyTorch on images, so it comes after all that
    #    can be refused at once, and hands its result on like any other choice.
    spec = resolve_input(config, checkpoint)
    checkpoint = checkpoint.at(Size(spec.height, spec.width))
    check_servers(config, spec, classes=checkpoint.architecture.classes)
    reduction = resolve_reduction(config, checkpoint, spec)
    gates = gates_of(config, family_of(checkpoint.architecture))
    _check_memory(config, checkpoint, spec, reduction, gates)
    image = _parity_image(config, spec) if config.check else None
    arrays = None if config.reference is None else read_reference(config.reference)
    if arrays is not None and config.reference is not None:
        check_reference(arrays, checkpoint, spec, config.reference)
    reduction, counts = _counted(config, checkpoint, spec, reduction)
    sharing = _match_sharing(config, checkpoint, spec, reduction)
    plan = resolve(config, checkpoint, spec, reduction, sharing)

    # 3. Build
    model = checkpoint.build().apply_reductions(plan.reduction, match_interval=sharing.interval)
    gated, chosen_on = _gate(model, plan, gates)
    graph, islands = _build_graph(model, plan, image)
    findings = _check_graph(graph, config.target)
    warnings = cost_warnings(checkpoint.architecture, plan.size, plan.sites, gated.sites)
    # 9. and 10.: the check is made on the very bytes that are kept.
    with writing_all(_outputs(config), config.out, config.serve_for) as (parts, served_parts):
        part, manifest_part, *certificate_parts = parts
        part.write_bytes(graph.SerializeToString())
        parity, seen = (None, ()) if image is None else _check_parity(model, part, image, plan)
        if config.target == PLAIN:
            graph = _flatten(graph, part, image, plan)
        reference = None
        if arrays is not None:
            reference = measure_reference(arrays, checkpoint, part, spec)
        advice = cost_advice(checkpoint.architecture, plan.size, plan.sites)
        size_note = None if config.size else checkpoint.size_note
        told = (
            size_note,
            assumed_note(config, checkpoint, plan.input),
            shortfall_note(plan.reduction, _grids(plan)),
            student_note(
                config.checkpoint,
                checkpoint.sha256,
                size=plan.size,
                reduction=plan.reduction,
                channels=gated.sites,
                match_interval=sharing.interval,
            ),
            _made_note(image, spec),
            found_note(counts),
            search_note(config, spec),
            channels_note(config, chosen_on),
            half_note(config.precision, islands, seen=image is not None),
        )
        notes = (
            *checkpoint.notes,
            *filter(None, told),
            *gated.notes,
            *findings,
            *advice,
            *warnings,
        )
        manifest = replace(
            file_manifest(plan, graph, part, parity, notes),
            reference=reference,
            islands=islands,
            channels=gated.sites,
            channel_images=tuple(image.sha256() for image in chosen_on),
        )
        manifest = write_certified(manifest, seen, manifest_part, certificate_parts)
        served = Served(config.out.stem, graph, part.read_bytes(), manifest)
        write_served(served, config.serve_for, served_parts)
    if not config.check:
        remove_certificate(config.out)
    return ExportResult(manifest, warnings, served_folders(config.out, config.serve_for))


def _grids(plan: ResolvedExport) -> Mapping[Site, Grid]:
    return family_of(plan.checkpoint.architecture).grids(plan.size, plan.reduction)


def _outputs(config: ExportConfig) -> tuple[Path, ...]:
    """Return what is going to be written; where nothing is proved, no certificate."""
    outputs = config.out, manifest_path(config.out), certificate_path(config.out)
    return outputs if config.check else outputs[:2]


def _choices(config: ExportConfig) -> ReadChoices:
    return ReadChoices(
        checkpoint_format=config.checkpoint_format,
        prefix=config.prefix,
        weights=config.weights,
        ignore_tensors=config.ignore_tensors,
        heads=config.heads,
        colors=config.colors,
    )


def _parity_image(config: ExportConfig, spec: InputSpec) -> ParityImage:
    fed = file_input(spec, config.input_dtype, config.picture)
    if config.parity_image is None and has_no_picture(spec):
        return made_parity_image(spec, fed=fed)
    return read_parity_image(_parity_path(config), spec, fed=fed)


def _made_note(image: ParityImage | None, spec: InputSpec) -> str | None:
    if image is None or not has_no_picture(spec) or image.name != MADE:
        return None
    return f"compared with PyTorch on a made image of {spec.channels} channel(s), not a photograph"


def _check_memory(
    config: ExportConfig,
    checkpoint: Checkpoint,
    spec: InputSpec,
    reduction: ReductionConfig,
    gates: ChannelGates,
) -> None:
    size, architecture = Size(spec.height, spec.width), checkpoint.architecture
    # The search for matches runs the network without merging, image by image.
    searches = config.match_interval == AUTO
    chooses = chooses_on_images(gates)
    grids = grids_of(architecture)(size, reduction)
    needed = memory_needed(
        architecture,
        size,
        config.batch if config.check else 1,
        () if searches else count_tokens(reduction, grids),
        count_channels(gates, family_of(architecture).channels(architecture)),
        check=config.check or searches or chooses,
    )
    limit = config.memory_limit
    room = usable_memory() if limit is None else Room(limit, "--memory-limit")
    check_memory(needed, room, batch=config.batch, size=size)


def _parity_path(config: ExportConfig) -> Path:
    return config.parity_image or sample_image()


def _counted(
    config: ExportConfig, checkpoint: Checkpoint, spec: InputSpec, reduction: ReductionConfig
) -> tuple[ReductionConfig, tuple[FoundCount, ...]]:
    if not config.counts.images:
        return reduction, ()
    threshold = config.counts.threshold
    thresholds = (
        published_thresholds(reduction, checkpoint.architecture)
        if threshold is None
        else dict.fromkeys(reduction, threshold)
    )
    images = search_images(config.counts.images, spec)
    shape = checkpoint.architecture.vit
    with step(f"counting what merges, on {len(images)} image(s)"):
        return search_counts(
            checkpoint.build(),
            reduction,
            [image.draw for image in images],
            quantile=config.counts.quantile,
            thresholds=thresholds,
            prefix=0 if shape is None else shape.prefix,
        )


def _match_sharing(
    config: ExportConfig, checkpoint: Checkpoint, spec: InputSpec, reduction: ReductionConfig
) -> MatchSharing:
    if config.match_interval != AUTO:
        return MatchSharing(config.match_interval)
    images = images_to_search(config, spec)
    with step(f"measuring which matches can be used again, on {len(images)} image(s)"):
        draws = [image.draw for image in images]
        return search_match_sharing(checkpoint, reduction, spec, draws)


def _gate(
    model: Network, plan: ResolvedExport, gates: ChannelGates
) -> tuple[Gated, tuple[SearchImage, ...]]:
    chooses = chooses_on_images(to_choose(model, gates))
    images = images_to_search(plan.config, plan.input) if chooses else ()
    with step(f"choosing channels on {len(images)} image(s)") if images else nullcontext():
        draws = [image.draw for image in images]
        path = plan.config.checkpoint
        return gate_channels(model, plan.checkpoint, gates, draws, path), images


def _build_graph(
    model: Network, plan: ResolvedExport, image: ParityImage | None
) -> tuple[onnx.ModelProto, tuple[Island, ...]]:
    config = plan.config
    # 4. to 6. The rewritten copy is for the file alone; ``model`` stays what the check runs.
    with step(f"tracing at {plan.size}"):
        rewritten = apply_rewrites(model, plan.rewrites.on.values())
        module = ModelWithIO(
            rewritten,
            plan.input,
            config.outputs,
            align_corners=plan.checkpoint.align_corners,
            pixels=config.input_dtype in {"float32-pixels", "uint8"},
            output_names=config.output_names,
            picture=config.picture,
        )
        traced = trace(module, module.example(), names=module.names)
        name = family_of(model.architecture).name
        graph = clean(traced, config.target, name=name)
    # 7.
    if config.precision == "fp32":
        return graph, ()
    with step(half_step(config.precision, seen=image is not None)):
        return in_half(
            graph,
            config.precision,
            None if image is None else image.input,
            half_input=config.input_dtype == "float16",
            half_output=config.output_dtype == "float16",
        )


def _check_graph(graph: onnx.ModelProto, target: str) -> tuple[str, ...]:
    # 8. ONNX's own rules, then those of the targets.
    with step("checking the graph against its targets' rules"):
        onnx.checker.check_model(graph, full_check=True)
        # A plain file is made of a portable one, after that was compared with PyTorch.
        return check_clean(graph, PORTABLE if target == PLAIN else target)


def _check_parity(
    model: Network, part: Path, image: ParityImage, plan: ResolvedExport
) -> tuple[Parity, tuple[Seen, ...]]:
    is_bundled = plan.config.parity_image is None and image.name != MADE
    whose = ", the bundled picture" if is_bundled else ""
    with step(f"comparing with PyTorch on {image.name}{whose}"):
        fed = file_input(plan.input, plan.config.input_dtype, plan.config.picture)
        parity, seen = compare(
            model,
            part,
            images_to_see(image, plan.input, fed),
            precision=plan.config.precision,
            min_agreement=plan.min_agreement,
            align_corners=plan.checkpoint.align_corners,
        )
    check_parity(parity)
    return parity, seen


def _flatten(
    graph: onnx.ModelProto, part: Path, image: ParityImage | None, plan: ResolvedExport
) -> onnx.ModelProto:
    """Put the flat graph in the place of the one that was checked, if it gives the same."""
    with step("flattening the graph"):
        flat = flatten(graph)
        onnx.checker.check_model(flat, full_check=True)
        check_clean(flat, PLAIN)
        if image is not None:
            architecture = plan.checkpoint.architecture
            check_same(
                part.read_bytes(),
                flat.SerializeToString(),
                image.input,
                tolerance=family_of(architecture).tolerance(architecture, plan.size),
                min_agreement=plan.min_agreement,
            )
        part.write_bytes(flat.SerializeToString())
    return flat
