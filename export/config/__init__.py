"""What a caller can choose about an export, and what it gives him."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segpp.export.models.base import ModelFamily
from segpp.export.reduction.config import ReductionChoice, ReductionConfig
from segpp.export.targets import PORTABLE
from segpp.manifest import Manifest
from segpp.ops.grid import Size

__all__ = [
    "AUTO",
    "INPUTS",
    "OUTPUTS",
    "PRECISIONS",
    "ExportConfig",
    "ExportResult",
    "reduction_of",
]

PRECISIONS = ("fp32", "fp16")

INPUTS = ("float32", "uint8")

# What each choice of outputs puts into the file, in the file's order.
OUTPUTS = {"logits": ("logits",), "labels": ("labels",), "both": ("logits", "labels")}

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
            is known; no tokens are merged if None.
        size: Input in pixels; the checkpoint's own, else the family's default, if None.
        batch: Images per call.
        precision: One of ``PRECISIONS``.
        parity_image: What to compare the file with PyTorch on; the bundled scene if None.
        check: Compare at all.
        min_agreement: Share of pixels that must agree; by precision if None.
        target: The dialect of the file, one of ``segpp.export.targets.TARGETS``.
        rewrites_off: Names of exact rewrites to leave out.
        input_dtype: One of ``INPUTS``: ``float32`` (normalised, NCHW) or ``uint8`` (pixels, NHWC).
        outputs: One of ``OUTPUTS``: ``logits``, ``labels`` at the input's size, or ``both``.
        match_interval: In how many consecutive blocks of a stage one match is used; ``AUTO``
            measures what each stage can bear.
        search_images: What ``AUTO`` measures on, files or folders; the parity image if empty.
        force: Replace files that segpp did not write, too.
    """

    checkpoint: Path
    out: Path
    checkpoint_format: str | None = None
    reduction: ReductionConfig | ReductionChoice | None = None
    size: Size | None = None
    batch: int = 1
    precision: str = "fp32"
    parity_image: Path | None = None
    check: bool = True
    min_agreement: float | None = None
    target: str = PORTABLE
    rewrites_off: tuple[str, ...] = ()
    input_dtype: str = "float32"
    outputs: str = "logits"
    match_interval: int | Literal["auto"] = 1
    search_images: tuple[Path, ...] = ()
    force: bool = False


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote and what it has to say about it.

    Attributes:
        manifest: As written beside the file.
        warnings: Why merging may not pay off, a sentence each; also among the manifest's notes,
            which hold advice on single sites besides.
    """

    manifest: Manifest
    warnings: tuple[str, ...]


def reduction_of(config: ExportConfig, family: ModelFamily) -> ReductionConfig:
    """Return the reduction at each site of the family's networks.

    Raises:
        ReductionError: A name is unknown, or a number is out of range.
    """
    if isinstance(config.reduction, ReductionChoice):
        return family.reduction_config(config.reduction)
    return config.reduction or {}
