"""Files measured and looked into: accuracy, speed, what they are."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segpp.api._types import PathLike, SizeLike, to_paths, to_size
from segpp.errors import InputError
from segpp.utils.files import atomic_write, check_writable

if TYPE_CHECKING:
    from segpp.images.palette import Color
    from segpp.inspection import Report
    from segpp.runtime.benchmark.report import BenchmarkReport
    from segpp.runtime.evaluation.report import EvaluationReport

__all__ = ["benchmark", "evaluate", "inspect"]

# Of a report's images: enough to see what goes wrong, few enough to open at once.
_WORST = 12


def evaluate(
    models: PathLike | Sequence[PathLike],
    *,
    images: PathLike,
    labels: PathLike,
    image_suffix: str = "",
    label_suffix: str = "",
    ignore: Collection[int] | None = None,
    reduce_zero_label: bool | None = None,
    label_offset: int = 0,
    palette: "PathLike | tuple[Color, ...] | None" = None,
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
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
    confusion: PathLike | None = None,
    plot: PathLike | None = None,
    html: PathLike | None = None,
) -> "EvaluationReport":
    """Measure mIoU and pixel accuracy of one or several files over labelled images.

    IoU is pixels of both over pixels of either, over all images together; mIoU is the mean over
    the classes that occur in labels or predictions (Long et al., 2015, arXiv:1411.4038, section 5).

    Args:
        models: ONNX files of the same classes; the others are compared with the first.
        images: A folder of images.
        labels: A folder of images of class numbers or of the classes' colours, named like the
            images; of another size too, and scored at theirs.
        image_suffix: End of the images' names that their partners lack (``_leftImg8bit``).
        label_suffix: The same for labels (``_gtFine_labelTrainIds``).
        ignore: Labels whose pixels do not count; by default the models' own, and 255.
        reduce_zero_label: Label 0 is no class and the classes start at 1 (ADE20K); by default as
            the models were trained.
        label_offset: Added to every label but 255, before ``ignore``: -1 where labels start at 1.
        palette: The colours of the classes in labels that are in colour, by default the models';
            (R, G, B) of each, or a file of one ``R G B`` per line.
        limit: Only the first so many images.
        backend, provider, threads, precision, cache: As in ``load``.
        output_name, fit, tile, overlap: As in ``load``.
        protocol: ``whole`` images, or ``slide``: tiles at a stride of two thirds of a side, as in
            papers that train on crops.
        after_each: Called with how many images are done, and of how many.
        confusion: A PNG for the confusion matrices: which class was taken for which.
        plot: A PNG for the IoU of each class as bars.
        html: A file for a report with all of it and the worst images, which opens without a
            network.

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
    from segpp.images.palette import read_palette  # noqa: PLC0415 - when it is called
    from segpp.runtime.evaluation.dataset import find_pairs  # noqa: PLC0415 - as above
    from segpp.runtime.evaluation.files import (  # noqa: PLC0415 - as above
        evaluate_files,
        tiles_of,
    )

    tile, overlap = tiles_of(protocol, tile=tile, overlap=overlap)
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} leaves no image")
    _check_pictures(confusion, plot, html=html)
    suffixes = {"image_suffix": image_suffix, "label_suffix": label_suffix}
    pairs = find_pairs(Path(images), Path(labels), **suffixes)[:limit]
    done = iter(range(1, len(pairs) + 1))
    report = evaluate_files(
        to_paths(models),
        pairs,
        ignored=ignore,
        palette=read_palette(Path(palette)) if isinstance(palette, str | Path) else palette,
        label_offset=label_offset,
        reduce_zero_label=reduce_zero_label,
        settings={
            "backend": backend,
            "provider": provider,
            "threads": threads,
            "precision": precision,
            "cache": cache,
            "fit": fit,
            "tile": tile,
            "overlap": overlap,
            "output_name": output_name,
        },
        after_each=lambda: after_each(next(done), len(pairs)),
        worst=_WORST if html else 0,
    )
    _write_pictures(report, confusion=confusion, plot=plot, html=html)
    return report


def _check_pictures(*plots: PathLike | None, html: PathLike | None) -> None:
    """Find out before minutes of work whether the pictures can be drawn and written."""
    from segpp.runtime.benchmark.plot import check_plotting  # noqa: PLC0415 - when it is called

    if any(plots):
        check_plotting()
    for path in (*plots, html):
        if path:
            check_writable(Path(path))


def _write_pictures(
    report: "EvaluationReport",
    *,
    confusion: PathLike | None,
    plot: PathLike | None,
    html: PathLike | None,
) -> None:
    from segpp.runtime.evaluation.plot import draw_confusion, draw_iou  # noqa: PLC0415 - as above
    from segpp.runtime.html_report.evaluation_page import (  # noqa: PLC0415 - as above
        write_evaluation_page,
    )

    for path, draw in ((confusion, draw_confusion), (plot, draw_iou)):
        if path:
            with atomic_write(Path(path)) as (part,):
                draw(report, part)
    if html:
        write_evaluation_page(Path(html), report)


def benchmark(
    models: PathLike | Sequence[PathLike],
    *,
    image: PathLike | None = None,
    iterations: int = 10,
    duration: float = 0.0,
    warmup: int = 3,
    percentiles: Sequence[float] | None = None,
    backend: str = "auto",
    provider: str | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    cache: bool = True,
    output_name: str | None = None,
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
        percentiles: Those to report, 0 to 100, by nearest rank; by default those of 50, 90, 95 and
            99 that the calls suffice for.
        backend, provider, threads, precision, cache, output_name: As in ``load``.
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
        percents=None if percentiles is None else tuple(percentiles),
        settings={
            "provider": provider,
            "threads": threads,
            "cache": cache,
            "output_name": output_name,
        },
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
        size=to_size(size),
        ratio=ratio,
        reduce=tuple(reduce),
        checkpoint_format=checkpoint_format,
    )
