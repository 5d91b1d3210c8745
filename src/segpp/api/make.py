"""Files made: a checkpoint as ONNX, ONNX as an engine."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from segpp.api._types import OneOrMore, PathLike, SizeLike, WhiteLike, to_size
from segpp.errors import InputError
from segpp.export.config import AUTO, PURPOSES, ExportConfig, ExportResult
from segpp.export.config.check import check_config
from segpp.export.reduction.config import ReductionChoice
from segpp.export.reduction.counts import CountChoice
from segpp.images.picture import check_bands
from segpp.images.white import check_white
from segpp.manifest.consistency import MOST
from segpp.runtime.build import BuildConfig, BuildReport, GateConfig
from segpp.runtime.build import build_engine as build
from segpp.utils import arguments
from segpp.utils.choices import check_choice
from segpp.utils.progress import announce

__all__ = ["build_engine", "export_onnx"]

T = TypeVar("T")


def export_onnx(
    checkpoint: PathLike,
    output: PathLike,
    *,
    size: SizeLike | None = None,
    picture: SizeLike | None = None,
    preset: str | None = None,
    ratio: float | None = None,
    reduce: str | Sequence[str] = (),
    match_interval: int | Literal["auto"] = 1,
    search_images: OneOrMore = (),
    calibrate: OneOrMore = (),
    quantile: float = 0.5,
    threshold: float | None = None,
    batch: int = 1,
    precision: str = "fp32",
    target: str = "portable",
    made_for: str = "any",
    input_dtype: str | None = None,
    output_dtype: str = "float32",
    input_name: str = "image",
    output_name: str | Sequence[str] | None = None,
    outputs: str | None = None,
    rewrites_off: str | Sequence[str] = (),
    checkpoint_format: str | None = None,
    parity_image: PathLike | None = None,
    min_agreement: float | None = None,
    check: bool = True,
    heads: Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    colors: str | None = None,
    prefix: str | None = None,
    weights: str = "raw",
    ignore_tensors: Sequence[str] = (),
    fit: str | None = None,
    white: WhiteLike | None = None,
    bands: Sequence[int] | None = None,
    reference: PathLike | None = None,
    serve_for: str | Sequence[str] = (),
    force: bool = False,
    memory_limit: int | None = None,
) -> ExportResult:
    """Write a checkpoint as ONNX with every shape fixed, tokens merged and masks proved.

    The file and its manifest (``output`` with ``.json`` behind it) appear together or not at all.

    Args:
        checkpoint: Weights (.pth, .pt, .bin, .safetensors) or a Hugging Face folder. Nothing in
            it is executed.
        output: The ONNX file to write.
        size: Input in pixels, height first: ``(512, 1024)`` or ``"512x1024"``; by default the
            checkpoint's own, else 512x1024.
        picture: The size of a camera's pictures, ``(720, 1280)``, which the file takes as they are,
            resizes itself and labels pixel by pixel: with ``made_for="engine"`` the GPU does it.
            They must have the shape of ``size``, or the fit be ``stretch``.
        preset: ``none``, ``hq``, ``fast``, ``2x2`` (SegFormer++, arXiv:2405.14467) or ``deep``;
            ``none``, ``even``, ``algm``, ``cts`` or ``dovit`` of a plain ViT.
        ratio: Instead of a preset: the share of tokens merged away at each site, in [0, 1).
        reduce: Single sites on top, as ``"3.q=bsm:ratio=0.8,sy=4,sx=4"`` or ``"4.q=none"``.
        match_interval: For how many consecutive blocks of a stage one matching serves; ``auto``
            measures it on ``search_images``.
        search_images: Files or folders; the image of the parity check if empty.
        calibrate: Files or folders on which ``clap`` and ``gbm``, as in ``preset="algm"``, find how
            many tokens merge in every image, and ``pass``, as in ``dovit``, how many leave.
        quantile: Of the counts that these images would have had: the share of them that would have
            merged less.
        threshold: The cosine above which windows merge there, or the probability, or cosine, above
            which tokens leave; the one published for such a network if None.
        batch: Images per call.
        precision: ``fp32``, ``fp16`` or ``bf16``, the type of weights and activations.
        target: ``portable``; ``onnxruntime`` for that library alone, the fastest on a CPU; or
            ``plain``, one flat graph without functions, for OpenCV and converters.
        made_for: ``any``, or ``engine``: a file to build an engine of, which takes pixels
            (``input_dtype="uint8"``) and gives class numbers (``outputs="labels"``), so that next
            to nothing is left to the CPU.
        input_dtype: ``float32`` (normalised, NCHW; the default), ``float32-pixels`` (0 to 255,
            NCHW, normalised in the file), ``float16`` (normalised, NCHW) or ``uint8`` (pixels,
            NHWC, RGB).
        output_dtype: Of logits: ``float32``, or ``float16`` in FP16 files.
        input_name: What the input is called in the file.
        output_name: What the output is called, by default ``logits`` or ``labels``; of both
            outputs two names.
        outputs: ``logits`` (B, K, H/4, W/4; the default), ``labels`` (B, H, W), or ``both``.
        rewrites_off: Names of exact rewrites to leave out.
        checkpoint_format: Whose code trained it, where its keys do not tell.
        parity_image: What to compare file and PyTorch on; by default a bundled street scene.
        min_agreement: Share of its pixels that must agree; by default 0.999, in fp16 0.99,
            in bf16 0.98.
        check: Whether to compare at all; the manifest says if not.
        heads: Attention heads of the four stages, where the checkpoint does not tell them.
        mean: Per channel of RGB on the 0-255 scale; by default the checkpoint's own, else
            ImageNet's.
        std: Likewise.
        colors: ``rgb`` or ``bgr``, the order of channels that it was trained on; the file takes RGB
            either way.
        prefix: Which of several networks in the checkpoint, by what stands before its names.
        weights: ``raw``, or ``ema`` for averaged ones that lie beside.
        ignore_tensors: Patterns of tensors to leave out, which masks must not depend on.
        fit: ``stretch``, ``letterbox`` or ``crop`` for pictures of another shape; by default the
            checkpoint's own, else ``letterbox``.
        white: Of picture files of more than 8 bits the value that is white, ``max`` (the default)
            or ``auto``. It stands in the manifest, and the runtimes do so.
        bands: The channels of picture files that are taken, counted from 1, likewise.
        reference: A ``.npz`` with ``x``, an input (1, C, H, W) as the owner's network took it, and
            ``logits``, what it gave: the export must give the same labels.
        serve_for: ``triton``, ``deepstream``, ``isaac-ros``: write a folder for that server beside
            the file, too.
        force: Replace files that segpp did not write, too; never one that is read.
        memory_limit: Bytes that the export may take; by default what this process may use.

    Returns:
        The manifest, and warnings: why merging may cost more than it saves here, for example.

    Raises:
        InputError: The checkpoint, a number or a place to write to cannot be used.
        CheckError: The file does not follow PyTorch, or breaks a rule of its targets.
        MissingError: A package of ``segpp[export]`` is not installed, or there is less memory than
            it needs.

    Example:
        >>> result = segpp.export_onnx("model.pth", "b0.onnx", preset="hq", size="512x1024")
        >>> result.manifest.parity.pixel_agreement >= 0.999
        True
    """
    usual = PURPOSES[_purpose(made_for)]
    config = ExportConfig(
        checkpoint=arguments.path("checkpoint", checkpoint),
        out=arguments.path("output", output),
        size=to_size(size),
        picture=to_size(picture, "picture"),
        reduction=ReductionChoice(
            arguments.optional(arguments.text, "preset", preset),
            arguments.optional(arguments.number, "ratio", ratio),
            arguments.several(arguments.text, "reduce", reduce),
        ),
        match_interval=_match_interval(match_interval),
        search_images=arguments.several(arguments.path, "search_images", search_images),
        counts=CountChoice(
            arguments.several(arguments.path, "calibrate", calibrate),
            arguments.share("quantile", quantile),
            arguments.optional(arguments.number, "threshold", threshold),
        ),
        batch=arguments.whole_number("batch", batch),
        precision=arguments.text("precision", precision),
        target=arguments.text("target", target),
        input_dtype=arguments.optional(arguments.text, "input_dtype", input_dtype)
        or usual["input_dtype"],
        output_dtype=arguments.text("output_dtype", output_dtype),
        input_name=arguments.text("input_name", input_name),
        output_names=arguments.several(arguments.text, "output_name", output_name or ()),
        outputs=arguments.optional(arguments.text, "outputs", outputs) or usual["outputs"],
        rewrites_off=arguments.several(arguments.text, "rewrites_off", rewrites_off),
        checkpoint_format=arguments.optional(
            arguments.text, "checkpoint_format", checkpoint_format
        ),
        parity_image=arguments.optional(arguments.path, "parity_image", parity_image),
        min_agreement=arguments.optional(arguments.share, "min_agreement", min_agreement),
        check=arguments.flag("check", check),
        heads=_numbers(arguments.whole_number, "heads", heads),
        mean=_numbers(arguments.number, "mean", mean),
        std=_numbers(arguments.number, "std", std),
        colors=arguments.optional(arguments.text, "colors", colors),
        prefix=arguments.optional(arguments.text, "prefix", prefix),
        weights=arguments.text("weights", weights),
        ignore_tensors=arguments.several(arguments.text, "ignore_tensors", ignore_tensors),
        fit=arguments.optional(arguments.text, "fit", fit),
        white=check_white(white),
        bands=check_bands(bands),
        reference=arguments.optional(arguments.path, "reference", reference),
        serve_for=tuple(dict.fromkeys(arguments.several(arguments.text, "serve_for", serve_for))),
        force=arguments.flag("force", force),
        memory_limit=arguments.optional(_bytes, "memory_limit", memory_limit),
    )
    # torch takes seconds to import: what is wrong without it is told before.
    check_config(config)
    # Which size it is where none is given, the checkpoint tells, or does not.
    where = f" at {config.size}" if config.size else ""
    announce(f"exporting {config.checkpoint} to {config.out}{where}")
    from segpp.export.pipeline import export_onnx as export  # noqa: PLC0415 - as above

    return export(config)


def _purpose(given: object) -> str:
    name = arguments.text("made_for", given)
    check_choice(name, PURPOSES, kind="purpose")
    return name


def _bytes(name: str, value: object) -> int:
    return arguments.whole_number(name, value, least=1)


def _numbers(check: Callable[[str, Any], T], name: str, value: object) -> tuple[T, ...] | None:
    return None if value is None else arguments.several(check, name, value, least=1)


def _match_interval(given: object) -> int | Literal["auto"]:
    if isinstance(given, str) and given == AUTO:
        return AUTO
    try:
        return arguments.whole_number("match_interval", given, most=MOST)
    except InputError as failure:
        expected = f"a number of blocks, or {AUTO!r}"
        raise arguments.wrong("match_interval", given, expected) from failure


def build_engine(
    onnx: PathLike,
    output: PathLike,
    *,
    backend: str = "auto",
    compute_capabilities: str | Sequence[str] = (),
    workspace: int | None = None,
    dry_run: bool = False,
    plugin: PathLike | None = None,
    embed_plugin: bool = False,
    timing_cache: PathLike | None = None,
    optimization_level: int | None = None,
    version_compatible: bool = False,
    gate_images: OneOrMore = (),
    min_agreement: float | None = None,
    min_miou: float | None = None,
    force: bool = False,
    progress: Callable[[float, str], object] | None = None,
) -> BuildReport:
    """Compile an ONNX file to an engine for GPUs; for RTX GPUs this machine needs none.

    Args:
        onnx: A file of ``export_onnx``, or another with fixed shapes.
        output: The engine to write; its manifest goes beside it if ``onnx`` has one.
        backend: The library that builds it: ``tensorrt``, for the GPU at hand; ``tensorrt-rtx``;
            or ``auto``, the first where a GPU answers, else the other.
        compute_capabilities: GPUs to build for, as ``["8.9", "12.0"]``; by default this machine's,
            without a GPU all from 8.0 on that the library knows.
        workspace: Most scratch memory a layer may use, in bytes; by default the library's choice.
        dry_run: Parse and report; build and write nothing.
        plugin: TensorRT: the library of segpp's plugins, ``"none"`` for none; by default the file
            that ``SEGPP_PLUGINS`` names, else where ``segpp-doctor`` finds it.
        embed_plugin: TensorRT: put that library into the engine.
        timing_cache: TensorRT: what kernels took on this GPU; read if it is there, written anew.
        optimization_level: TensorRT: how long to search for faster kernels, 0 to 5.
        version_compatible: TensorRT: build an engine that later versions run too.
        gate_images: Pictures on which an engine that runs here is compared with ONNX Runtime,
            besides those of the file's certificate.
        min_agreement: Share of their pixels that must keep their class; by default 0.999 in FP32,
            0.99 in FP16, 0.98 in BF16, 0.97 in INT8.
        min_miou: What the mIoU of the two masks must be; by default 0.99, 0.95, 0.9, 0.85.
        force: Replace files that segpp did not write, too; never one that is read.
        progress: Is told the share that is done, 0 to 1, and what is being done.

    Raises:
        CheckError: The engine runs here, and gives other masks; none is left.
        GraphError: The file is no ONNX file, or the library refuses it.
        InputError: An argument is wrong, the library has no use for it, or the engine cannot be
            written.
        MissingError: The library is not installed, or there is no GPU for it.

    Example:
        >>> report = segpp.build_engine("b0.onnx", "b0.engine", compute_capabilities=["8.9"])
        >>> report.attention_found == report.attention_expected
        True
    """
    return build(
        BuildConfig(
            onnx=arguments.path("onnx", onnx),
            output=arguments.path("output", output),
            builder=arguments.text("backend", backend),
            compute_capabilities=arguments.several(
                arguments.text, "compute_capabilities", compute_capabilities
            ),
            workspace=arguments.optional(_workspace, "workspace", workspace),
            timing_cache=arguments.optional(arguments.path, "timing_cache", timing_cache),
            optimization_level=arguments.optional(_level, "optimization_level", optimization_level),
            plugin=arguments.optional(arguments.path, "plugin", plugin),
            embed_plugin=arguments.flag("embed_plugin", embed_plugin),
            version_compatible=arguments.flag("version_compatible", version_compatible),
            dry_run=arguments.flag("dry_run", dry_run),
            force=arguments.flag("force", force),
        ),
        progress=arguments.optional(arguments.function, "progress", progress),
        gate=GateConfig(
            arguments.several(arguments.path, "gate_images", gate_images),
            arguments.optional(arguments.share, "min_agreement", min_agreement),
            arguments.optional(arguments.share, "min_miou", min_miou),
        ),
    )


def _level(name: str, value: object) -> int:
    return arguments.whole_number(name, value, least=0, most=5)


def _workspace(name: str, value: object) -> int:
    # The library takes it as a signed number of 64 bits.
    return arguments.whole_number(name, value, least=1, most=2**63 - 1)
