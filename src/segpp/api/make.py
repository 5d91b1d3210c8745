"""Files made: a checkpoint as ONNX, ONNX as an engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segpp.api._types import PathLike, SizeLike, to_size
from segpp.utils.progress import announce

if TYPE_CHECKING:
    from segpp.export.pipeline import ExportResult
    from segpp.runtime.build import BuildReport

__all__ = ["build_engine", "export_onnx"]


def export_onnx(
    checkpoint: PathLike,
    output: PathLike,
    *,
    size: SizeLike | None = None,
    preset: str | None = None,
    ratio: float | None = None,
    reduce: Sequence[str] = (),
    match_interval: "int | Literal['auto']" = 1,
    search_images: Sequence[PathLike] = (),
    batch: int = 1,
    precision: str = "fp32",
    target: str = "portable",
    input_dtype: str = "float32",
    input_name: str = "image",
    output_name: str | Sequence[str] | None = None,
    outputs: str = "logits",
    rewrites_off: Sequence[str] = (),
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
    reference: PathLike | None = None,
    force: bool = False,
    memory_limit: int | None = None,
) -> "ExportResult":
    """Write a checkpoint as ONNX with every shape fixed, tokens merged and masks proved.

    The file and its manifest (``output`` with ``.json`` behind it) appear together or not at all.

    Args:
        checkpoint: Weights (.pth, .pt, .bin, .safetensors) or a Hugging Face folder. Nothing in
            it is executed.
        output: The ONNX file to write.
        size: Input in pixels, height first: ``(512, 1024)`` or ``"512x1024"``; by default the
            checkpoint's own, else 512x1024.
        preset: ``none``, ``hq``, ``fast`` or ``2x2`` of SegFormer++ (arXiv:2405.14467).
        ratio: Instead of a preset: the share of tokens merged away at each site, in [0, 1).
        reduce: Single sites on top, as ``"3.q=bsm:ratio=0.8,sy=4,sx=4"`` or ``"4.q=none"``.
        match_interval: For how many consecutive blocks of a stage one matching serves; ``auto``
            measures it on ``search_images``.
        search_images: Files or folders; the image of the parity check if empty.
        batch: Images per call.
        precision: ``fp32`` or ``fp16``.
        target: ``portable``; ``onnxruntime`` for that library alone, the fastest on a CPU; or
            ``plain``, one flat graph without functions, for OpenCV and converters.
        input_dtype: ``float32`` (normalised, NCHW), ``float32-pixels`` (0 to 255, NCHW, normalised
            in the file) or ``uint8`` (pixels, NHWC, RGB).
        input_name: What the input is called in the file.
        output_name: What the output is called, by default ``logits`` or ``labels``; of both
            outputs two names.
        outputs: ``logits`` (B, K, H/4, W/4), ``labels`` (B, H, W), or ``both``.
        rewrites_off: Names of exact rewrites to leave out.
        checkpoint_format: Whose code trained it, where its keys do not tell.
        parity_image: What to compare file and PyTorch on; by default a bundled street scene.
        min_agreement: Share of its pixels that must agree; by default 0.999, in fp16 0.99.
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
        reference: A ``.npz`` with ``x``, an input (1, C, H, W) as the owner's network took it, and
            ``logits``, what it gave: the export must give the same labels.
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
    from segpp.export.config import ExportConfig  # noqa: PLC0415 - as above
    from segpp.export.config.check import check_config  # noqa: PLC0415 - when it is called
    from segpp.export.reduction.config import ReductionChoice  # noqa: PLC0415 - as above

    config = ExportConfig(
        checkpoint=Path(checkpoint),
        out=Path(output),
        size=to_size(size),
        reduction=ReductionChoice(preset, ratio, tuple(reduce)),
        match_interval=match_interval,
        search_images=tuple(map(Path, search_images)),
        batch=batch,
        precision=precision,
        target=target,
        input_dtype=input_dtype,
        input_name=input_name,
        output_names=_names(output_name),
        outputs=outputs,
        rewrites_off=tuple(rewrites_off),
        checkpoint_format=checkpoint_format,
        parity_image=None if parity_image is None else Path(parity_image),
        min_agreement=min_agreement,
        check=check,
        heads=None if heads is None else tuple(heads),
        mean=None if mean is None else tuple(mean),
        std=None if std is None else tuple(std),
        colors=colors,
        prefix=prefix,
        weights=weights,
        ignore_tensors=tuple(ignore_tensors),
        fit=fit,
        reference=None if reference is None else Path(reference),
        force=force,
        memory_limit=memory_limit,
    )
    # torch takes seconds to import: what is wrong without it is told before.
    check_config(config)
    # Which size it is where none is given, the checkpoint tells, or does not.
    where = f" at {config.size}" if config.size else ""
    announce(f"exporting {config.checkpoint} to {config.out}{where}")
    from segpp.export.pipeline import export_onnx as export  # noqa: PLC0415 - as above

    return export(config)


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


def build_engine(
    onnx: PathLike,
    output: PathLike,
    *,
    backend: str = "auto",
    compute_capabilities: Sequence[str] = (),
    workspace: int | None = None,
    force: bool = False,
) -> "BuildReport":
    """Compile an ONNX file to an engine for GPUs; this machine needs none.

    Args:
        onnx: A file of ``export_onnx``, or another with fixed shapes.
        output: The engine to write; its manifest goes beside it if ``onnx`` has one.
        backend: The library that builds it: ``tensorrt-rtx``, or ``auto``.
        compute_capabilities: GPUs to build for, as ``["8.9", "12.0"]``; by default this machine's,
            without a GPU all from 8.0 on that the library knows.
        workspace: Most scratch memory a layer may use, in bytes; by default the library's choice.
        force: Replace files that segpp did not write, too; never one that is read.

    Raises:
        GraphError: The file is no ONNX file, or the library refuses it.
        InputError: An argument is wrong, or the engine cannot be written.
        MissingError: The library is not installed.

    Example:
        >>> report = segpp.build_engine("b0.onnx", "b0.engine", compute_capabilities=["8.9"])
        >>> report.attention_found == report.attention_expected
        True
    """
    from segpp.runtime.build import BuildConfig  # noqa: PLC0415 - imported when it is called
    from segpp.runtime.build import build_engine as build  # noqa: PLC0415 - as above

    return build(
        BuildConfig(
            onnx=Path(onnx),
            output=Path(output),
            builder=backend,
            compute_capabilities=tuple(compute_capabilities),
            workspace=workspace,
            force=force,
        )
    )
