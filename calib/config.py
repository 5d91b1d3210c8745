"""What a calibration is told, and what is wrong with it before anything is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from segpp.calib.graph.sites import KINDS
from segpp.calib.observers import OBSERVERS
from segpp.calib.writers import WRITERS
from segpp.calib.writers.rounding import ROUNDINGS
from segpp.errors import InputError
from segpp.utils.choices import check_choice
from segpp.utils.files import certificate_path, manifest_path
from segpp.utils.overwrite import check_output_file

__all__ = ["DEFAULT_METHOD", "CalibrationConfig", "check_config"]

DEFAULT_METHOD = "max"
DEFAULT_ROUNDING = "nearest"
_SUFFIX = ".onnx"


@dataclass(frozen=True)
class CalibrationConfig:
    """What to calibrate, on what, and what may be lost.

    Attributes:
        model: The float file, with its manifest beside it.
        out: The INT8 file to write.
        pictures: Folders, patterns, lists (.txt) and files.
        target: A dialect, of ``segpp.calib.writers.WRITERS``.
        method: Of ``segpp.calib.observers.OBSERVERS``, for every kind of site that has none of its
            own.
        methods: By kind of site.
        ranges: Where ranges are kept; beside the model by default.
        image_suffix: End of the pictures' names that those of their labels lack; pictures without
            it are passed over.
        floats: Kinds of sites that stay float besides those of the dialect.
        max_drop: Most points that may be lost on the pictures of the selection; None for no search.
        measure_blocks: Tell what each block loses, without a search too.
        min_agreement: Share of the pixels of the report's pictures that must keep their class.
        only_what_pays: Time the parts on this machine, and leave float what INT8 does not speed up.
        equalize: Move outliers out of activations, where that is exact and helps.
        correct_biases: Take off biases what INT8 shifts products by, where that helps.
        rounding: How weights become integers, of ``segpp.calib.writers.rounding.ROUNDINGS``.
        rounding_time: Seconds after which no further block is rounded.
        white: What is white of pictures of more than 8 bits; None for what the manifest says.
        bands: The channels of pictures that are taken, likewise.
        threads: CPU threads; None for the library's choice.
        force: Replace files that segpp did not write, too.
    """

    model: Path
    out: Path
    pictures: tuple[str, ...]
    target: str = "tensorrt"
    method: str = DEFAULT_METHOD
    methods: Mapping[str, str] = field(default_factory=dict)
    ranges: Path | None = None
    image_suffix: str = ""
    floats: tuple[str, ...] = ()
    max_drop: float | None = None
    measure_blocks: bool = False
    min_agreement: float = 0.97
    only_what_pays: bool = True
    equalize: bool = True
    correct_biases: bool = True
    rounding: str = DEFAULT_ROUNDING
    rounding_time: float = 600
    white: str | None = None
    bands: tuple[int, ...] | None = None
    threads: int | None = None
    force: bool = False

    @property
    def ranges_file(self) -> Path:
        """Where the ranges are kept: ``model.ranges.json`` beside ``model.onnx``."""
        return self.ranges or self.model.with_name(f"{self.model.stem}.ranges.json")


def check_config(config: CalibrationConfig) -> None:
    """Raise InputError for what is wrong without looking into a file."""
    check_choice(config.target, WRITERS, kind="INT8 target")
    for name in (config.method, *config.methods.values()):
        check_choice(name, OBSERVERS, kind="calibration method")
    check_choice(config.rounding, ROUNDINGS, kind="rounding")
    for kind in (*config.methods, *config.floats):
        check_choice(kind, KINDS, kind="kind of site")
    if config.out.suffix != _SUFFIX:
        raise InputError(f"the INT8 file {config.out} does not end in {_SUFFIX}")
    check_output_file(config.out, "onnx", inputs=(config.model,), force=config.force)
    check_output_file(
        manifest_path(config.out),
        "manifest",
        inputs=(manifest_path(config.model),),
        force=config.force,
    )
    check_output_file(
        certificate_path(config.out), "certificate", inputs=(config.model,), force=config.force
    )
