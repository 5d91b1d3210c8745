"""Files measured and looked into: accuracy, speed, what they are."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from segpp.api._palette import colors_or_file
from segpp.api._types import OneOrMore, PathLike, SizeLike, WhiteLike, checked_settings, to_size
from segpp.datasets.find import DataConfig, find_dataset
from segpp.images.palette import Color, read_palette
from segpp.inspection import Report, inspect_file
from segpp.runtime.benchmark.case import parse_case
from segpp.runtime.benchmark.interleave import BenchmarkConfig
from segpp.runtime.benchmark.plot import check_plotting
from segpp.runtime.benchmark.report import BenchmarkReport
from segpp.runtime.benchmark.run import run_benchmark
from segpp.runtime.benchmark.statistics import check_percentiles
from segpp.runtime.evaluation.files import evaluate_files, tiles_of
from segpp.runtime.evaluation.plot import draw_confusion, draw_iou
from segpp.runtime.evaluation.report import EvaluationReport
from segpp.runtime.html_report.evaluation_page import write_evaluation_page
from segpp.utils import arguments
from segpp.utils.files import atomic_write
from segpp.utils.overwrite import check_distinct, check_output_file

__all__ = ["benchmark", "evaluate", "inspect"]

# Of a report's images: enough to see what goes wrong, few enough to open at once.
_WORST = 12


def evaluate(
    models: OneOrMore,
    *,
    images: PathLike | None = None,
    labels: PathLike | None = None,
    dataset: OneOrMore = (),
    split: str | None = None,
    listed: PathLike | None = None,
    image_suffix: str = "",
    label_suffix: str = "",
    label_map: str | None = None,
    ignore: int | Collection[int] | None = None,
    reduce_zero_label: bool | None = None,
    label_offset: int = 0,
    palette: PathLike | Sequence[Color] | None = None,
    limit: int | None = None,
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    fit: str | None = None,
    tile: bool = False,
    overlap: float | None = None,
    protocol: str = "whole",
    output_name: str | None = None,
    trust: bool = False,
    cuda_graph: bool = True,
    rebuild_if_stale: bool = False,
    white: WhiteLike | None = None,
    bands: Sequence[int] | None = None,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
    confusion: PathLike | None = None,
    plot: PathLike | None = None,
    html: PathLike | None = None,
    force: bool = False,
) -> EvaluationReport:
    """Measure mIoU and pixel accuracy of one or several files over labelled images.

    IoU is pixels of both over pixels of either, over all images together; mIoU is the mean over
    the classes that occur in labels or predictions (Long et al., 2015, arXiv:1411.4038, section 5).

    Args:
        models: ONNX files or engines of the same classes; the others are compared with the first.
        images: A folder of images, or a pattern (``data/*/rgb/*.png``).
        labels: A folder or pattern of class numbers or of the classes' colours, named like the
            images; of another size too, and scored at theirs.
        dataset: Instead of the two: folders of a known layout (Cityscapes, VOC, ADE20K and others,
            or ``images`` beside ``labels``), scored as one.
        split: The part of each, ``"train"``; by default the one for validation.
        listed: A file of the names to use, or of pictures with their labels, relative to it.
        image_suffix: End of the images' names that their partners lack (``_leftImg8bit``).
        label_suffix: The same for labels (``_gtFine_labelTrainIds``).
        label_map: Class of each number in the labels: ``"cityscapes"`` or another known one, or a
            file of lines ``number class``; by default what the layout says.
        ignore: Labels whose pixels do not count; by default the models' own, and 255.
        reduce_zero_label: Label 0 is no class and the classes start at 1 (ADE20K); by default as
            the models were trained.
        label_offset: Added to every label but 255, before ``ignore``: -1 where labels start at 1.
        palette: The colours of the classes in labels that are in colour, by default the models';
            (R, G, B) of each, or a file of one ``R G B`` per line.
        limit: Only the first so many images.
        backend, provider, threads, precision, cache: As in ``load``.
        output_name, fit, tile, overlap, trust, cuda_graph, rebuild_if_stale: As in ``load``.
        white, bands: As in ``load``.
        protocol: ``whole`` images, or ``slide``: tiles at a stride of two thirds of a side, as in
            papers that train on crops.
        after_each: Called with how many images are done, and of how many.
        confusion: A PNG for the confusion matrices: which class was taken for which.
        plot: A PNG for the IoU of each class as bars.
        html: A file for a report with all of it and the worst images, which opens without a
            network.
        force: Replace files that segpp did not write, too; never one that is read.

    Raises:
        ImageError: A folder is missing or empty, or a file has no partner.
        InputError: The labels are outside the classes, or an argument is wrong.
        CheckError: No image could be read.
        MissingError: A picture is asked for, and matplotlib is not installed.

    Example:
        >>> report = segpp.evaluate(["b0.onnx"], images="val/images", labels="val/labels")
        >>> sorted(report.miou)
        ['b0']
    """
    files = arguments.several(arguments.path, "models", models, least=1)
    config = DataConfig(
        dataset=arguments.several(arguments.path, "dataset", dataset),
        split=arguments.optional(arguments.text, "split", split),
        images=arguments.optional(arguments.path, "images", images),
        labels=arguments.optional(arguments.path, "labels", labels),
        image_suffix=arguments.text("image_suffix", image_suffix),
        label_suffix=arguments.text("label_suffix", label_suffix),
        listed=arguments.optional(arguments.path, "listed", listed),
    )
    numbers = arguments.optional(arguments.text, "label_map", label_map)
    ignored = arguments.optional(_labels, "ignore", ignore)
    is_zero_nothing = arguments.optional(arguments.flag, "reduce_zero_label", reduce_zero_label)
    colors = colors_or_file(palette)
    most = arguments.optional(_positive, "limit", limit)
    settings = checked_settings(
        backend=backend,
        provider=provider,
        threads=threads,
        precision=precision,
        cache=cache,
        fit=fit,
        tile=tile,
        overlap=overlap,
        output_name=output_name,
        trust=trust,
        cuda_graph=cuda_graph,
        rebuild_if_stale=rebuild_if_stale,
        white=white,
        bands=bands,
    )
    settings["tile"], settings["overlap"] = tiles_of(
        arguments.text("protocol", protocol), tile=settings["tile"], overlap=settings["overlap"]
    )
    report_each = arguments.function("after_each", after_each)
    pictures = {
        "confusion": arguments.optional(arguments.path, "confusion", confusion),
        "plot": arguments.optional(arguments.path, "plot", plot),
        "html": arguments.optional(arguments.path, "html", html),
    }
    offset = arguments.whole_number("label_offset", label_offset)
    is_forced = arguments.flag("force", force)
    check_distinct(pictures.values())
    data = find_dataset(config)
    data = replace(data, pairs=data.pairs[:most])
    read = [*files, *(file for pair in data.pairs for file in (pair.image, pair.labels))]
    read += [config.listed] if config.listed else []
    read += [colors] if isinstance(colors, Path) else []
    _check_pictures(**pictures, read=read, force=is_forced)
    done = iter(range(1, len(data.pairs) + 1))
    report = evaluate_files(
        files,
        data,
        ignored=ignored,
        palette=read_palette(colors) if isinstance(colors, Path) else colors,
        label_offset=offset,
        reduce_zero_label=is_zero_nothing,
        label_map=numbers,
        settings=settings,
        after_each=lambda: report_each(next(done), len(data.pairs)),
        worst=_WORST if html else 0,
    )
    _write_pictures(report, **pictures)
    return report


def _check_pictures(
    confusion: Path | None,
    plot: Path | None,
    html: Path | None,
    *,
    read: Sequence[Path],
    force: bool,
) -> None:
    """Find out before minutes of work whether the pictures can be drawn and written."""
    if confusion or plot:
        check_plotting()
    for path in filter(None, (confusion, plot)):
        check_output_file(path, "picture", inputs=read, force=force)
    if html:
        check_output_file(html, "report", inputs=read, force=force)


def _write_pictures(
    report: EvaluationReport, confusion: Path | None, plot: Path | None, html: Path | None
) -> None:
    for path, draw in ((confusion, draw_confusion), (plot, draw_iou)):
        if path:
            with atomic_write(path) as (part,):
                draw(report, part)
    if html:
        write_evaluation_page(html, report)


def benchmark(
    models: OneOrMore,
    *,
    image: PathLike | None = None,
    iterations: int = 10,
    duration: float = 0.0,
    warmup: int = 3,
    percentiles: float | Sequence[float] | None = None,
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    output_name: str | None = None,
    trust: bool = False,
    cuda_graph: bool = True,
    rebuild_if_stale: bool = False,
    after_each: Callable[[], object] = lambda: None,
) -> BenchmarkReport:
    """Measure latency by stage, throughput and peak memory of several files side by side.

    They run in turn, one call each a round, so that a change of the machine falls on all alike.

    Args:
        models: ONNX files, also as ``FILE@BACKEND`` or ``FILE@BACKEND:PRECISION``; the others are
            compared with the first.
        image: What to segment; by default the bundled street at each model's size.
        iterations: At least so many calls of each.
        duration: And at least so many seconds.
        warmup: Calls that do not count.
        percentiles: Those to report, 0.01 to 99.99, by nearest rank; by default those of 50, 90, 95
            and 99 that the calls suffice for.
        backend, provider, threads, precision, cache, output_name: As in ``load``.
        trust, cuda_graph, rebuild_if_stale: Of engines, as in ``load``.
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
    texts = arguments.several(arguments.path_text, "models", models, least=1)
    settings = checked_settings(
        backend=backend,
        provider=provider,
        threads=threads,
        precision=precision,
        cache=cache,
        output_name=output_name,
        trust=trust,
        cuda_graph=cuda_graph,
        rebuild_if_stale=rebuild_if_stale,
    )
    shared = {name: settings.pop(name) for name in ("backend", "precision")}
    config = BenchmarkConfig(
        warmup=arguments.whole_number("warmup", warmup, least=0),
        rounds=_positive("iterations", iterations),
        seconds=arguments.number("duration", duration, least=0),
    )
    picture = arguments.optional(arguments.path, "image", image)
    percents = arguments.optional(_percentiles, "percentiles", percentiles)
    report_each = arguments.function("after_each", after_each)
    return run_benchmark(
        [parse_case(text, **shared) for text in texts],
        config,
        image=picture,
        percents=percents,
        settings=settings,
        after_each=report_each,
    )


def inspect(
    path: PathLike,
    *,
    size: SizeLike | None = None,
    ratio: float | None = None,
    reduce: str | Sequence[str] = (),
    board: str | None = None,
    checkpoint_format: str | None = None,
    heads: Sequence[int] | None = None,
    colors: str | None = None,
    prefix: str | None = None,
    weights: str = "raw",
    ignore_tensors: str | Sequence[str] = (),
) -> Report:
    """Say what a checkpoint, an ONNX file, an engine or a manifest is.

    Args:
        path: The file, or a Hugging Face folder.
        size: For a checkpoint: the input that tokens and costs are counted for, height first.
        ratio: For a checkpoint: add a column for this share of merged tokens.
        reduce: For a checkpoint: add a column with these sites, as in ``export_onnx``.
        board: For a checkpoint or an ONNX file: estimate what this board needs for it, by its name
            (``orin-nano``, …); for a checkpoint that exports it, once for each reduction.
        checkpoint_format: Whose code trained it, where its keys do not tell.
        heads, colors, prefix, weights, ignore_tensors: For a checkpoint: as in ``export_onnx``.

    Returns:
        Text (``.text()``), JSON (``.json()``), data, and what is wrong with the file.

    Raises:
        InputError: It is none of these, or damaged.

    Example:
        >>> print(segpp.inspect("b0.onnx").text().splitlines()[0])
        b0.onnx: an ONNX file
    """
    return inspect_file(
        arguments.path("path", path),
        size=to_size(size),
        ratio=arguments.optional(arguments.number, "ratio", ratio),
        reduce=arguments.several(arguments.text, "reduce", reduce),
        board=arguments.optional(arguments.text, "board", board),
        checkpoint_format=arguments.optional(
            arguments.text, "checkpoint_format", checkpoint_format
        ),
        heads=None if heads is None else _heads("heads", heads),
        colors=arguments.optional(arguments.text, "colors", colors),
        prefix=arguments.optional(arguments.text, "prefix", prefix),
        weights=arguments.text("weights", weights),
        ignore_tensors=arguments.several(arguments.text, "ignore_tensors", ignore_tensors),
    )


def _heads(name: str, value: object) -> tuple[int, ...]:
    return arguments.several(arguments.whole_number, name, value, least=1)


def _positive(name: str, value: object) -> int:
    return arguments.whole_number(name, value, least=1)


def _labels(name: str, value: object) -> tuple[int, ...]:
    return arguments.several(_label, name, value)


def _label(name: str, value: object) -> int:
    # Some data sets mark no class by -1.
    return arguments.whole_number(name, value)


def _percentiles(name: str, value: object) -> tuple[float, ...]:
    return check_percentiles(arguments.several(arguments.number, name, value, least=1))
