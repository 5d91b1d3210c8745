"""Files made INT8: ranges of activations from pictures, products that pay, masks that hold."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from segpp.api._labelled import Labelled, labelled_pictures
from segpp.api._types import OneOrMore, PathLike, WhiteLike, checked_settings
from segpp.calib.report import CalibrationFailedError, CalibrationResult
from segpp.errors import InputError
from segpp.manifest import read_manifest
from segpp.runtime.benchmark.plot import check_plotting
from segpp.runtime.onnx_reader.external_data import check_model
from segpp.utils import arguments
from segpp.utils.choices import check_choice
from segpp.utils.files import atomic_write, check_writable, manifest_path
from segpp.utils.overwrite import check_distinct, check_output_file

if TYPE_CHECKING:
    from segpp.api._truth import Truth
    from segpp.calib.config import CalibrationConfig

__all__ = ["calibrate"]

Progress = Callable[[str, int, int], object]

_DEFAULT = "default"
_FP32 = "fp32"
# Where no engine of the dialect runs here, this one computes the same numbers.
_ANYWHERE = "onnxruntime"


def calibrate(
    model: PathLike,
    pictures: OneOrMore,
    output: PathLike,
    *,
    target: str = "tensorrt",
    calib_method: str | Mapping[str, str] = "max",
    ranges: PathLike | None = None,
    labels: PathLike | None = None,
    image_suffix: str = "",
    label_suffix: str = "",
    split: str | None = None,
    label_map: str | None = None,
    ignore: int | Collection[int] | None = None,
    keep_float: str | Collection[str] = (),
    max_drop: float | None = None,
    min_agreement: float = 0.97,
    only_what_pays: bool = True,
    equalize: bool = True,
    correct_biases: bool = True,
    rounding: str = "nearest",
    rounding_time: float = 600,
    white: WhiteLike | None = None,
    bands: Sequence[int] | None = None,
    threads: int | None = None,
    precision: str = "fp32",
    report: PathLike | None = None,
    plot: PathLike | None = None,
    after_each: Progress = lambda _what, _done, _total: None,
    force: bool = False,
) -> CalibrationResult:
    """Write a float file as INT8, for one engine, and judge it on pictures held back.

    Every fifth picture is held back to judge by, and every fifth of the others to choose by,
    should there be a ``max_drop``; the ranges of activations are of the rest. The file and its
    manifest (``output`` with ``.json`` behind it) appear together or not at all.

    Args:
        model: A float ONNX file of ``export_onnx``, its manifest beside it.
        pictures: Folders, patterns, lists (``.txt``) and files; at least eight different ones, as
            the camera gives them. Or folders of data sets (Cityscapes, VOC and others, or
            ``images`` beside ``labels``), with their labels.
        output: The INT8 file to write.
        target: Whose dialect to write: ``tensorrt``, ``onnxruntime`` or ``openvino``.
        calib_method: Where activations are clipped: ``max``, ``entropy``, ``percentile`` or
            ``mse``; or one for each kind of product, ``{"default": "max", "fc2": "mse"}``.
        ranges: Where the ranges are kept for the next time; by default ``b0.ranges.json`` beside
            ``b0.onnx``.
        labels: A folder of labels, named like the pictures: what is lost is counted in mIoU then,
            else in pixels that change their class.
        image_suffix: End of the pictures' names that their labels lack (``_leftImg8bit``); pictures
            without it are passed over.
        label_suffix: The same for labels (``_gtFine_labelTrainIds``).
        split: The part of a data set, ``"train"``; by default the one for validation.
        label_map: Class of each number in the labels, as in ``evaluate``.
        ignore: Labels whose pixels do not count; by default the model's own, and 255.
        keep_float: Kinds of products that stay float (``patch``, ``reduce``, ``q``, ``kv``,
            ``out``, ``fc1``, ``depthwise``, ``fc2``, ``head``), besides those that always do.
        max_drop: Most points of a hundred that may be lost; the worst blocks go back to float.
        min_agreement: Share of the pixels held back that must keep their class.
        only_what_pays: Time the parts where the engine runs here, and leave float what INT8 does
            not make faster.
        equalize: Move outliers of activations into weights, where that is exact and helps.
        correct_biases: Take off biases what INT8 shifts the mean of a product by, where that brings
            its block closer on pictures that it was not measured on.
        rounding: How weights become integers: ``nearest``, or ``adaround``, which fits them to what
            they are multiplied by and keeps them where blocks come closer.
        rounding_time: Seconds for that; blocks left then stay rounded to the nearest.
        white: Of pictures of more than 8 bits the value that is white, ``max`` or ``auto``; by
            default what the manifest says. Stands in the manifest of the INT8 file.
        bands: The channels of pictures that are taken, counted from 1, likewise.
        threads: CPU threads.
        precision: What the rest is computed in while parts are timed: ``fp32``, or ``bf16`` for
            OpenVINO on CPUs that have it. Masks are compared in FP32.
        report: A JSON file for everything that was measured and decided.
        plot: A PNG of what each block costs and gains.
        after_each: Told what is being done, how much of it is done, and of how much.
        force: Replace files that segpp did not write, too; never one that is read.

    Returns:
        The manifest, what is lost with its confidence interval, and what became of each block.

    Raises:
        CheckError: The masks are too far from the float ones, or INT8 does not help: no INT8 file
            is written, but ``report`` and ``plot`` are, and the error's ``result`` has what they
            show; or the network has infinities.
        GraphError: The model is damaged, or quantized already.
        ImageError: A picture or a label cannot be read, or is of one colour.
        InputError: An argument is wrong, there are too few pictures, or the ranges are of others.
        MissingError: The onnx package or onnxruntime is not installed.

    Example:
        >>> result = segpp.calibrate("none.onnx", "street*.png", "none.int8.onnx")
        Traceback (most recent call last):
        segpp.errors.InputError: 1 different picture(s) are too few to calibrate on
        ...
    """
    default, methods = _methods(calib_method)
    suffixes = (
        arguments.text("image_suffix", image_suffix),
        arguments.text("label_suffix", label_suffix),
    )
    found = labelled_pictures(
        arguments.several(arguments.path_text, "pictures", pictures, least=1),
        split=arguments.optional(arguments.text, "split", split),
        suffixes=suffixes,
    )
    numbers = arguments.optional(arguments.text, "label_map", label_map)
    settings = checked_settings(threads=threads, precision=precision, white=white, bands=bands)
    given = {
        "model": arguments.path("model", model),
        "out": arguments.path("output", output),
        "pictures": found.sources,
        "target": arguments.text("target", target),
        "method": default,
        "methods": methods,
        "ranges": arguments.optional(arguments.path, "ranges", ranges),
        # Of a data set's files the layout knows which are pictures.
        "image_suffix": "" if found.data else suffixes[0],
        "floats": arguments.several(arguments.text, "keep_float", keep_float),
        "max_drop": arguments.optional(_points, "max_drop", max_drop),
        # A report without what blocks lose would not tell which of them is at fault.
        "measure_blocks": report is not None or plot is not None,
        "min_agreement": arguments.share("min_agreement", min_agreement),
        "only_what_pays": arguments.flag("only_what_pays", only_what_pays),
        "equalize": arguments.flag("equalize", equalize),
        "correct_biases": arguments.flag("correct_biases", correct_biases),
        "rounding": arguments.text("rounding", rounding),
        "rounding_time": arguments.number("rounding_time", rounding_time, least=0),
        "threads": settings["threads"],
        "white": settings["white"],
        "bands": settings["bands"],
        "force": arguments.flag("force", force),
    }
    folder = arguments.optional(arguments.path, "labels", labels)
    ignored = arguments.optional(_labels, "ignore", ignore)
    tell = arguments.function("after_each", after_each)
    beside = {
        "report": arguments.optional(arguments.path, "report", report),
        "plot": arguments.optional(arguments.path, "plot", plot),
    }
    check_model(given["model"])
    # onnx and onnxruntime are wanted from here on.
    from segpp.calib.config import CalibrationConfig, check_config  # noqa: PLC0415 - as said

    config = CalibrationConfig(**given)
    check_config(config)
    _check_precision(config.target, settings["precision"])
    if suffixes[1] and folder is None and found.data is None:
        raise InputError(
            f"`label_suffix` {suffixes[1]} needs a folder of labels", hint="give `labels`"
        )
    _check_outputs(config, folder, **beside)
    try:
        truth = _truth(config, found, folder, suffixes=suffixes, label_map=numbers, ignored=ignored)
        result = _calibrate(config, truth, settings["precision"], tell)
    except CalibrationFailedError as failure:
        # Which block is at fault is what minutes of work have found out.
        _write(failure.result, **beside)
        raise
    _write(result, **beside)
    return result


def _calibrate(
    config: "CalibrationConfig", truth: "Truth | None", precision: str, after_each: Progress
) -> CalibrationResult:
    from segpp.api._whole_files import WholeFiles, seconds_of  # noqa: PLC0415 - as above
    from segpp.calib.pipeline import calibrate as run  # noqa: PLC0415
    from segpp.calib.selection.measure import Measures  # noqa: PLC0415
    from segpp.calib.writers import WRITERS  # noqa: PLC0415
    from segpp.runtime.backends.base import BACKENDS  # noqa: PLC0415
    from segpp.runtime.system.packages import is_installed  # noqa: PLC0415

    backend = WRITERS[config.target].backend
    runs_here = backend is not None and is_installed(BACKENDS[backend].module)
    used = backend if backend is not None and runs_here else _ANYWHERE
    tell = partial(after_each, "comparing masks with the float file")
    pictures = {"white": config.white, "bands": config.bands}
    with WholeFiles(config.model, used, config.threads, truth, tell, pictures) as files:
        timed = partial(seconds_of, backend=used, threads=config.threads, precision=precision)
        title = BACKENDS[used].title
        measures = Measures(
            compare=files.compare,
            time=timed if runs_here else None,
            engine=title if precision == _FP32 else f"{title} in {precision.upper()}",
            masks=files.masks,
        )
        return run(config, measures, progress=after_each)


def _check_precision(target: str, precision: str) -> None:
    """Find out before minutes of work whether files can be timed in that precision."""
    check_choice(precision, (_FP32, "bf16"), kind="precision")
    if precision != _FP32 and target != "openvino":
        raise InputError(
            f"files for {target} are not timed with `precision` {precision}",
            hint="OpenVINO alone computes what is not INT8 in it: target openvino",
        )


def _truth(
    config: "CalibrationConfig",
    found: Labelled,
    folder: Path | None,
    *,
    suffixes: tuple[str, str],
    label_map: str | None,
    ignored: tuple[int, ...] | None,
) -> "Truth | None":
    """Return the labels of all pictures, each looked at: after the ranges it would be late."""
    if folder is None and found.data is None:
        return None
    from segpp.api._truth import truth_of  # noqa: PLC0415 - as above
    from segpp.calib.pictures.find import find_pictures  # noqa: PLC0415

    classes = read_manifest(config.model).classes
    paths = [picture.path for picture in find_pictures(config.pictures, config.image_suffix)]
    return truth_of(
        found.files(paths, folder, suffixes) or {},
        classes,
        # Labels of a folder of their own are none of the data set's.
        None if folder else found.data,
        label_map=label_map,
        ignored=ignored,
    )


def _check_outputs(
    config: "CalibrationConfig", labels: Path | None, report: Path | None, plot: Path | None
) -> None:
    """Find out before minutes of work whether everything can be written."""
    if plot:
        check_plotting()
        if plot.suffix.lower() != ".png":
            raise InputError(
                f"the plot {plot} does not end in .png",
                hint=f"name it {plot.with_suffix('.png').name}",
            )
    ranges = config.ranges_file
    check_distinct([config.out, manifest_path(config.out), report, plot, ranges, config.model])
    check_writable(ranges)
    read = [config.model, ranges]
    there = [path for path in (report, plot) if path and path.exists()]
    if there:
        read += _pictures_and_lists(config)
    if labels:
        root = labels.resolve()
        inside = [path for path in there if path.resolve().is_relative_to(root)]
        read += [path for path in inside if path.suffix.lower() != ".json"]
    if report:
        check_output_file(report, "calibration", inputs=read, force=config.force)
    if plot:
        check_output_file(plot, "picture", inputs=read, force=config.force)


def _pictures_and_lists(config: "CalibrationConfig") -> list[Path]:
    from segpp.calib.pictures.find import find_pictures  # noqa: PLC0415 - as above

    pictures = [one.path for one in find_pictures(config.pictures, config.image_suffix)]
    return [*pictures, *(path for path in map(Path, config.pictures) if path.is_file())]


def _write(result: CalibrationResult, report: Path | None, plot: Path | None) -> None:
    if report:
        with atomic_write(report) as (part,):
            part.write_text(result.json() + "\n", encoding="utf-8")
    if plot:
        from segpp.api._calibration_plot import draw  # noqa: PLC0415 - only when one is asked for

        with atomic_write(plot) as (part,):
            draw(result, part)


def _methods(given: object) -> tuple[str, dict[str, str]]:
    """Return the method where no kind has its own, and those of the kinds that have."""
    if isinstance(given, str):
        return given, {}
    if not isinstance(given, Mapping):
        raise arguments.wrong("calib_method", given, "a method, or a method for each kind")
    texts = [arguments.text("calib_method", one) for pair in given.items() for one in pair]
    methods = dict(zip(texts[::2], texts[1::2], strict=True))
    return methods.pop(_DEFAULT, "max"), methods


def _points(name: str, value: object) -> float:
    return arguments.number(name, value, least=0, most=100)


def _labels(name: str, value: object) -> tuple[int, ...]:
    return arguments.several(arguments.whole_number, name, value)
