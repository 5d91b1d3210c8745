"""What a caller can choose about an export, and what it gives him."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from segpp.export.models.base import ModelFamily
from segpp.export.reduction.config import ReductionChoice, ReductionConfig
from segpp.export.reduction.counts import CountChoice
from segpp.export.reduction.gates.config import ChannelGates, build_gates
from segpp.export.targets import PORTABLE
from segpp.manifest import Architecture, Manifest
from segpp.ops.grid import Size

__all__ = [
    "AUTO",
    "INPUTS",
    "OUTPUTS",
    "OUTPUT_TYPES",
    "PRECISIONS",
    "PURPOSES",
    "ExportConfig",
    "ExportResult",
    "gates_of",
    "reduction_of",
]

PRECISIONS = ("fp32", "fp16", "bf16")

INPUTS = ("float32", "float32-pixels", "float16", "uint8")

OUTPUT_TYPES = ("float32", "float16")

# What each choice of outputs puts into the file, in the file's order.
OUTPUTS = {"logits": ("logits",), "labels": ("labels",), "both": ("logits", "labels")}

# What a file can be meant for, and what it takes and gives then unless the caller says otherwise.
# Around an engine the CPU is the slow part: pixels go in and class numbers come out.
PURPOSES: dict[str, dict[str, str]] = {
    "any": {"input_dtype": "float32", "outputs": "logits"},
    "engine": {"input_dtype": "uint8", "outputs": "labels"},
}

# To measure in how many blocks one match can serve, rather than to be told.
AUTO: Literal["auto"] = "auto"


@dataclass(frozen=True)
class ExportConfig:
    """Everything the caller can choose.

    Attributes:
        checkpoint: A weights file, or a Hugging Face folder.
        out: The ONNX file to write; its manifest goes beside it.
        checkpoint_format: Whose code saved the checkpoint, where its keys do not tell.
        reduction: Which reduction works at which site, or the choice that says so once the network
            is known, which can name channel gates too; no tokens are merged if None.
        gates: Which channel gate works at which place, besides those of a choice.
        size: Input in pixels; the checkpoint's own, else the family's default, if None.
        picture: Of a camera, whose pictures the file takes as they are and resizes itself; the
            input has ``size`` if None.
        batch: Images per call.
        precision: One of ``PRECISIONS``.
        parity_image: What to compare the file with PyTorch on; the bundled scene if None.
        check: Compare at all.
        min_agreement: Share of pixels that must agree; by precision if None.
        target: The dialect of the file, one of ``segpp.export.targets.TARGETS``.
        rewrites_off: Names of exact rewrites to leave out.
        input_dtype: One of ``INPUTS``: ``float32`` (normalised, NCHW), ``float32-pixels`` (0 to
            255, NCHW), ``float16`` (normalised, NCHW) or ``uint8`` (pixels, NHWC).
        output_dtype: Of logits, one of ``OUTPUT_TYPES``.
        input_name: What the input is called.
        output_names: What the outputs are called, logits before labels; so if empty.
        memory_limit: Bytes that the export may take; what the process may use if None.
        outputs: One of ``OUTPUTS``: ``logits``, ``labels`` at the input's size, or ``both``.
        match_interval: In how many consecutive blocks of a stage one match is used; ``AUTO``
            measures what each stage can bear.
        search_images: What ``AUTO`` measures and fixed channel gates choose on, files or folders;
            the parity image if empty.
        counts: How methods find their counts on images, if they do.
        heads: Attention heads per stage; the checkpoint's own, else the usual ones, if None.
        mean: Per channel of RGB on the 0-255 scale; the checkpoint's own, else ImageNet's, if None.
        std: Likewise.
        colors: The order of channels that the checkpoint was trained on, ``rgb`` or ``bgr``.
        prefix: Which of several networks in the checkpoint, by what stands before its names.
        weights: ``raw``, or ``ema`` for averaged ones that lie beside.
        ignore_tensors: Patterns of tensors that the masks do not depend on.
        fit: How a picture of another shape is brought to the input's size: ``stretch``,
            ``letterbox`` or ``crop``; the checkpoint's own, else ``letterbox``, if None.
        white: What is white of picture files of more than 8 bits, for the manifest.
        bands: The channels of picture files that are taken, for the manifest.
        reference: Inputs and logits of the owner's own code, as ``x`` and ``logits`` of a ``.npz``.
        serve_for: Servers whose folders are written beside the file, names of
            ``segpp.export.serving``.
        force: Replace files that segpp did not write, too.
    """

    checkpoint: Path
    out: Path
    checkpoint_format: str | None = None
    reduction: ReductionConfig | ReductionChoice | None = None
    gates: ChannelGates = field(default_factory=dict)
    size: Size | None = None
    picture: Size | None = None
    batch: int = 1
    precision: str = "fp32"
    parity_image: Path | None = None
    check: bool = True
    min_agreement: float | None = None
    target: str = PORTABLE
    rewrites_off: tuple[str, ...] = ()
    input_dtype: str = "float32"
    output_dtype: str = "float32"
    outputs: str = "logits"
    match_interval: int | Literal["auto"] = 1
    search_images: tuple[Path, ...] = ()
    counts: CountChoice = field(default_factory=CountChoice)
    heads: tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    colors: str | None = None
    prefix: str | None = None
    weights: str = "raw"
    ignore_tensors: tuple[str, ...] = ()
    fit: str | None = None
    white: str | None = None
    bands: tuple[int, ...] | None = None
    reference: Path | None = None
    input_name: str = "image"
    output_names: tuple[str, ...] = ()
    memory_limit: int | None = None
    serve_for: tuple[str, ...] = ()
    force: bool = False


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote and what it has to say about it.

    Attributes:
        manifest: As written beside the file.
        warnings: Why merging may not pay off, a sentence each; also among the manifest's notes,
            which hold advice on single sites besides.
        folders: Those of servers, by name.
    """

    manifest: Manifest
    warnings: tuple[str, ...]
    folders: Mapping[str, Path] = field(default_factory=dict)


def reduction_of(
    config: ExportConfig, family: ModelFamily, architecture: Architecture | None = None
) -> ReductionConfig:
    """Return the reduction at each site of a network of the family, or of one not known yet.

    Raises:
        ReductionError: A name is unknown, or a number is out of range.
    """
    if isinstance(config.reduction, ReductionChoice):
        return family.reduction_config(config.reduction, architecture)
    return config.reduction or {}


def gates_of(config: ExportConfig, family: ModelFamily) -> ChannelGates:
    """Return the channel gate at each place of the family's networks.

    Raises:
        ReductionError: A name is unknown, or a number is out of range.
    """
    if not isinstance(config.reduction, ReductionChoice):
        return config.gates
    return {**config.gates, **build_gates(config.reduction.reduce, family.places)}
