"""What an export is asked for, and what was settled from it and the checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segpp.export.models.segformer.loading import Checkpoint
from segpp.export.models.segformer.presets import ReductionPlan
from segpp.export.reduction.match_sharing import MatchEvery
from segpp.export.targets import PORTABLE
from segpp.manifest import Classes, InputSpec, MatchSearch, ReductionSite
from segpp.ops.grid import Size

__all__ = ["AUTO", "ExportRequest", "Settled"]

# To measure in how many blocks one match can serve, rather than to be told.
AUTO: Literal["auto"] = "auto"


@dataclass(frozen=True)
class ExportRequest:
    """Everything the caller can choose.

    Attributes:
        checkpoint: A weights file, or a Hugging Face folder.
        out: The ONNX file to write; its manifest goes beside it.
        source: Layout of the checkpoint where its keys do not tell.
        plan: Which reduction works at which site.
        size: Input in pixels; the checkpoint's own, else 512x1024, if None.
        batch: Images per call.
        precision: ``fp32`` or ``fp16``.
        image: What to compare the file with PyTorch on; the bundled scene if None.
        check: Compare at all.
        min_agreement: Share of pixels that must agree; by precision if None.
        target: The dialect of the file, one of ``segpp.export.targets.TARGETS``.
        rewrites_off: Names of exact rewrites to leave out.
        input: ``float32`` (normalised, NCHW) or ``uint8`` (pixels, NHWC).
        output: ``logits``, ``labels`` at the input's size, or ``both``.
        match_every: In how many consecutive blocks of a stage one match is used; ``AUTO`` measures
            what each stage can bear.
        images: What ``AUTO`` measures on, files or folders; the image of the gate if empty.
    """

    checkpoint: Path
    out: Path
    source: str | None = None
    plan: ReductionPlan | None = None
    size: Size | None = None
    batch: int = 1
    precision: str = "fp32"
    image: Path | None = None
    check: bool = True
    min_agreement: float | None = None
    target: str = PORTABLE
    rewrites_off: tuple[str, ...] = ()
    input: str = "float32"
    output: str = "logits"
    match_every: int | Literal["auto"] = 1
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Settled:
    """The request and the checkpoint brought together.

    Attributes:
        match_every: 1 until it is measured, if the request is for ``AUTO``.
        match_search: How it was measured, if it was.
    """

    request: ExportRequest
    checkpoint: Checkpoint
    plan: ReductionPlan
    size: Size
    classes: Classes
    input: InputSpec
    sites: tuple[ReductionSite, ...]
    match_every: MatchEvery = 1
    match_search: MatchSearch | None = None
