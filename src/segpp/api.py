"""The functions of ``import segpp``: what the commands do, for programs.

Each imports its stage when it is called, so that a board without torch runs files and a laptop
without TensorRT exports them. ``segpp.load`` and the commands' results are described where they are
defined; everything a program may use is listed in ``segpp.__all__``.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segpp.errors import InputError
from segpp.ops.grid import Size, parse_size

if TYPE_CHECKING:
    from segpp.export.config import ExportResult
    from segpp.inspection import Report
    from segpp.runtime.benchmark.report import BenchmarkReport
    from segpp.runtime.build import BuildReport
    from segpp.runtime.evaluation.report import EvaluationReport
    from segpp.runtime.inference.session import Session

__all__ = ["benchmark", "build_engine", "evaluate", "export_onnx", "inspect", "load"]

PathLike = Path | str
SizeLike = Size | tuple[int, int] | str


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
    outputs: str = "logits",
    rewrites_off: Sequence[str] = (),
    checkpoint_format: str | None = None,
    parity_image: PathLike | None = None,
    min_agreement: float | None = None,
    check: bool = True,
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
        target: ``portable``, or ``onnxruntime`` for that library alone, the fastest on a CPU.
        input_dtype: ``float32`` (normalised, NCHW) or ``uint8`` (pixels, NHWC, RGB).
        outputs: ``logits`` (B, K, H/4, W/4), ``labels`` (B, H, W), or ``both``.
        rewrites_off: Names of exact rewrites to leave out.
        checkpoint_format: Whose code trained it, where its keys do not tell.
        parity_image: What to compare file and PyTorch on; by default a bundled street scene.
        min_agreement: Share of its pixels that must agree; by default 0.999, in fp16 0.99.
        check: Whether to compare at all; the manifest says if not.

    Returns:
        The manifest, and warnings: why merging may cost more than it saves here, for example.

    Raises:
        InputError: The checkpoint, a number or a place to write to cannot be used.
        CheckError: The file does not follow PyTorch, or breaks a rule of its targets.
        MissingError: A package of ``segpp[export]`` is not installed.

    Example:
        >>> result = segpp.export_onnx("model.pth", "b0.onnx", preset="hq", size="512x1024")
        >>> result.manifest.parity.pixel_agreement >= 0.999
        True
    """
    # torch and onnx; arguments that need neither are checked first.
    resolved = None if size is None else _size(size)
    from segpp.export.config import ExportConfig  # noqa: PLC0415 - as above
    from segpp.export.pipeline import export_onnx as export  # noqa: PLC0415 - as above

    return export(
        ExportConfig(
            checkpoint=Path(checkpoint),
            output=Path(output),
            size=resolved,
            preset=preset,
            ratio=ratio,
            reduce=tuple(reduce),
            match_interval=match_interval,
            search_images=tuple(map(Path, search_images)),
            batch=batch,
            precision=precision,
            target=target,
            input_dtype=input_dtype,
            outputs=outputs,
            rewrites_off=tuple(rewrites_off),
            checkpoint_format=checkpoint_format,
            parity_image=None if parity_image is None else Path(parity_image),
            min_agreement=min_agreement,
            check=check,
        )
    )


def build_engine(
    onnx: PathLike,
    output: PathLike,
    *,
    backend: str = "auto",
    compute_capabilities: Sequence[str] = (),
    workspace: int | None = None,
) -> "BuildReport":
    """Compile an ONNX file to an engine for GPUs; this machine needs none.

    Args:
        onnx: A file of ``export_onnx``, or another with fixed shapes.
        output: The engine to write; its manifest goes beside it if ``onnx`` has one.
        backend: The library that builds it: ``tensorrt-rtx``, or ``auto``.
        compute_capabilities: GPUs to build for, as ``["8.9", "12.0"]``; by default this machine's,
            without a GPU all from 8.0 on that the library knows.
        workspace: Most scratch memory a layer may use, in bytes; by default the library's choice.

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
        )
    )


def load(
    model: PathLike,
    *,
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    spin: bool = True,
    min_agreement: float | None = 0.98,
) -> "Session":
    """Load an exported network; call what is returned on images.

    Without a manifest beside it a file works too if it has one image input and one output that is
    logits or labels; the rest is assumed, and ``session.assumed`` is true.

    Args:
        model: An ONNX file.
        backend: The library that runs it: ``onnxruntime``, ``openvino`` or ``auto``.
        provider: ONNX Runtime's execution provider (``cpu``, ``cuda``).
        threads: CPU threads; by default the library's choice.
        precision: What the file's FP32 is computed in: ``fp32``, or ``bf16`` with OpenVINO on CPUs
            that have it.
        cache: Keep what OpenVINO compiles in ``MODEL.onnx.cache`` beside the file.
        spin: Let idle threads spin between calls: fastest, but they keep the cores busy.
        min_agreement: Share of the first image's pixels that a lower precision must label as FP32
            does; None does without that check.

    Raises:
        GraphError: The file is damaged, or no segmentation network with fixed shapes.
        ManifestError: Its manifest is damaged, or about another file.
        InputError: An argument is wrong.
        MissingError: The library or the provider is not installed.

    Example:
        >>> with segpp.load("b0.onnx") as session:
        ...     result = session(segpp.load_image("street.png"))
        >>> result.masks[0].shape
        (512, 1024)
    """
    from segpp.runtime.inference.session import open_session  # noqa: PLC0415 - when it is called

    return open_session(
        model,
        backend=backend,
        provider=provider,
        threads=threads,
        precision=precision,
        cache=cache,
        spinning=spin,
        min_agreement=min_agreement,
    )


def evaluate(
    models: PathLike | Sequence[PathLike],
    *,
    images: PathLike,
    labels: PathLike,
    image_suffix: str = "",
    label_suffix: str = "",
    ignore: Collection[int] | None = None,
    reduce_zero_label: bool = False,
    limit: int | None = None,
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> "EvaluationReport":
    """Measure mIoU and pixel accuracy of one or several files over labelled images.

    IoU is pixels of both over pixels of either, over all images together; mIoU is the mean over
    the classes that occur in labels or predictions (Long et al., 2015, arXiv:1411.4038, section 5).

    Args:
        models: ONNX files of the same classes; the others are compared with the first.
        images: A folder of images.
        labels: A folder of images of class numbers, named like the images.
        image_suffix: End of the images' names that their partners lack (``_leftImg8bit``).
        label_suffix: The same for labels (``_gtFine_labelTrainIds``).
        ignore: Labels whose pixels do not count; by default the models' own, and 255.
        reduce_zero_label: Label 0 is no class and the classes start at 1 (ADE20K).
        limit: Only the first so many images.
        backend, provider, threads, precision, cache: As in ``load``.
        after_each: Called with how many images are done, and of how many.

    Raises:
        ImageError: A folder is missing or empty, or a file has no partner.
        InputError: The labels are outside the classes, or an argument is wrong.
        CheckError: No image could be read.

    Example:
        >>> report = segpp.evaluate(["b0.onnx"], images="val/images", labels="val/labels")
        >>> sorted(report.miou)
        ['b0']
    """
    from segpp.runtime.evaluation.dataset import find_pairs  # noqa: PLC0415 - when it is called
    from segpp.runtime.evaluation.files import evaluate_files  # noqa: PLC0415 - as above

    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} leaves no image")
    suffixes = {"image_suffix": image_suffix, "label_suffix": label_suffix}
    pairs = find_pairs(Path(images), Path(labels), **suffixes)[:limit]
    done = iter(range(1, len(pairs) + 1))
    return evaluate_files(
        _paths(models),
        pairs,
        ignored=ignore,
        reduce_zero_label=reduce_zero_label,
        settings={
            "backend": backend,
            "provider": provider,
            "threads": threads,
            "precision": precision,
            "cache": cache,
        },
        after_each=lambda: after_each(next(done), len(pairs)),
    )


def benchmark(
    models: PathLike | Sequence[PathLike],
    *,
    image: PathLike | None = None,
    iterations: int = 10,
    duration: float = 0.0,
    warmup: int = 3,
    percentiles: Sequence[float] = (50, 90, 95, 99),
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    after_each: Callable[[], object] = lambda: None,
) -> "BenchmarkReport":
    """Measure latency by stage, throughput and peak memory of several files side by side.

    They run in turn, one call each a round, so that a change of the machine falls on all alike.

    Args:
        models: ONNX files, also as ``FILE@BACKEND`` or ``FILE@BACKEND:PRECISION``; the others are
            compared with the first.
        image: What to segment; by default the bundled street at each model's size.
        iterations: At least so many calls of each.
        duration: And at least so many seconds.
        warmup: Calls that do not count.
        percentiles: Those to report, 0 to 100, by nearest rank.
        backend, provider, threads, precision, cache: As in ``load``.
        after_each: Called after every round.

    Returns:
        Samples, statistics and the environment; ``warnings`` says what speaks against the numbers.

    Raises:
        InputError: An argument is wrong.
        SegppError: A model cannot be loaded or run.

    Example:
        >>> report = segpp.benchmark(["none.onnx", "hq.onnx"], iterations=3, threads=1)
        >>> [result.name for result in report.results]
        ['none', 'hq']
    """
    from segpp.runtime.benchmark.case import parse_case  # noqa: PLC0415 - when it is called
    from segpp.runtime.benchmark.interleave import BenchmarkConfig  # noqa: PLC0415 - as above
    from segpp.runtime.benchmark.run import run_benchmark  # noqa: PLC0415 - as above

    # Not-a-number and infinity never end.
    if iterations < 1 or warmup < 0 or not 0.0 <= duration < float("inf"):
        raise InputError(
            f"cannot measure {iterations} times in {duration:g} s after {warmup} calls to warm up"
        )
    texts = [models] if isinstance(models, str | Path) else models
    return run_benchmark(
        [parse_case(str(text), backend=backend, precision=precision) for text in texts],
        BenchmarkConfig(warmup, iterations, duration),
        image=None if image is None else Path(image),
        percents=tuple(percentiles),
        settings={"provider": provider, "threads": threads, "cache": cache},
        after_each=after_each,
    )


def inspect(
    path: PathLike,
    *,
    size: SizeLike | None = None,
    ratio: float | None = None,
    reduce: Sequence[str] = (),
    checkpoint_format: str | None = None,
) -> "Report":
    """Say what a checkpoint, an ONNX file, an engine or a manifest is.

    Args:
        path: The file, or a Hugging Face folder.
        size: For a checkpoint: the input that tokens and costs are counted for, height first.
        ratio: For a checkpoint: add a column for this share of merged tokens.
        reduce: For a checkpoint: add a column with these sites, as in ``export_onnx``.
        checkpoint_format: Whose code trained it, where its keys do not tell.

    Returns:
        Text (``.text()``), JSON (``.json()``), data, and what is wrong with the file.

    Raises:
        InputError: It is none of these, or damaged.

    Example:
        >>> print(segpp.inspect("b0.onnx").text().splitlines()[0])
        b0.onnx: an ONNX file
    """
    from segpp.inspection import inspect_file  # noqa: PLC0415 - imported when it is called

    return inspect_file(
        Path(path),
        size=None if size is None else _size(size),
        ratio=ratio,
        reduce=tuple(reduce),
        checkpoint_format=checkpoint_format,
    )


def _size(size: SizeLike) -> Size:
    return parse_size(size) if isinstance(size, str) else Size(*size)


def _paths(models: PathLike | Sequence[PathLike]) -> list[Path]:
    return [Path(models)] if isinstance(models, str | Path) else list(map(Path, models))
