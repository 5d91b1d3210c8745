"""What a manifest holds.

Nothing of the exporting machine stands in it: file names without folders, versions, hashes,
numbers. A key that joins has a default, which says what files did before they could say it.
"""

from dataclasses import dataclass, field
from typing import Literal

from segpp.manifest.architecture import Architecture, PlainViT
from segpp.manifest.certificate import Certificate
from segpp.manifest.channels import ChannelSite
from segpp.manifest.engine import EngineInfo
from segpp.manifest.island import Island

__all__ = [
    "LABEL_DIMENSIONS",
    "SCHEMA",
    "TENSOR_DIMENSIONS",
    "WEIGHT_BITS",
    "Architecture",
    "Calibration",
    "CalibrationDrop",
    "Classes",
    "FileInfo",
    "InputSpec",
    "Manifest",
    "MatchSearch",
    "MatchTrial",
    "Origin",
    "OutputSpec",
    "Parity",
    "PlainViT",
    "ReductionSite",
    "Reference",
    "Resize",
    "Source",
]

SCHEMA = 1

Origin = Literal["given", "stored", "config", "assumed"]

# Pillow's filters, which average where they shrink; nearest takes one pixel.
Resize = Literal["pillow-bilinear", "pillow-bicubic", "pillow-nearest"]

# Of a file's options: 8 where sums overflow on CPUs without instructions for 8-bit products.
WEIGHT_BITS = "int8_weight_bits"

# (B, C, H, W) or (B, H, W, C); and (B, H, W).
TENSOR_DIMENSIONS = 4
LABEL_DIMENSIONS = 3


@dataclass(frozen=True)
class FileInfo:
    """The file that the manifest belongs to."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Source:
    """What the file was made from: a checkpoint, or for an engine the ONNX file."""

    name: str
    sha256: str
    layout: str


@dataclass(frozen=True)
class Classes:
    """Class names and their colours.

    Attributes:
        names: By class number. A network of one output channel has two: a pixel is of class 1
            where its logit is above 0, the sigmoid's 0.5.
        palette: Red, green and blue of each, 0 to 255.
        ignore: The label in data sets that counts for nothing.
        reduce_labels: In data sets label 0 counts for nothing, and label k stands for class k - 1.
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    ignore: int = 255
    reduce_labels: bool = False


@dataclass(frozen=True)
class InputSpec:
    """How to turn an RGB image into the input tensor.

    The image is brought to the tensor's height and width as ``fit`` says, by the filter that
    ``resize`` names, ``(pixel - mean) / std`` per channel on the 0-255 scale, and laid out as
    ``layout``. Floats of mean 0 and std 1 are the pixels themselves, which the file
    normalises; uint8 always is.

    Attributes:
        fit: ``stretch`` resizes both sides for themselves; ``letterbox`` keeps the aspect and pads
            to the right or below, ``crop`` keeps it and cuts what is too much at both ends.
        padding: What lies beside a letterboxed picture, 0 to 255 per channel; the rounded mean if
            None. Files that normalise floats themselves need it, since their mean is 0.
        white: Of picture files of more than 8 bits, the value that becomes 255: ``max``, ``auto``
            or a number (``segpp.images.white``); None for what files say themselves.
        bands: The channels of picture files that are taken, counted from 1; None for all.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32", "float16", "uint8"]
    layout: Literal["NCHW", "NHWC"]
    colours: Literal["RGB", "BGR"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Resize = "pillow-bilinear"
    fit: Literal["stretch", "letterbox", "crop"] = "stretch"
    padding: tuple[int, ...] | None = None
    white: str | None = None
    bands: tuple[int, ...] | None = None

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.shape[2] if self.layout == "NCHW" else self.shape[1]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.shape[3] if self.layout == "NCHW" else self.shape[2]

    @property
    def channels(self) -> int:
        """Values per pixel."""
        return self.shape[1] if self.layout == "NCHW" else self.shape[3]

    @property
    def batch(self) -> int:
        """Images per call."""
        return self.shape[0]


@dataclass(frozen=True)
class OutputSpec:
    """What comes out: logits (B, K, h, w), to be resized bilinearly, or labels (B, H, W).

    Attributes:
        layout: Of four dimensions: where the channels are. Labels have one channel then.
    """

    name: str
    kind: Literal["logits", "labels"]
    shape: tuple[int, ...]
    dtype: str
    align_corners: bool = False
    layout: Literal["NCHW", "NHWC"] = "NCHW"

    @property
    def channels(self) -> int:
        """Values per pixel: K of logits."""
        if len(self.shape) != TENSOR_DIMENSIONS:
            return 1
        return self.shape[1] if self.layout == "NCHW" else self.shape[3]


@dataclass(frozen=True)
class ReductionSite:
    """One place with fewer tokens; in an attention it applies to every block of the stage.

    Attributes:
        stage: Counted from 1; 0 is the decode head, which has a ``grid`` only, and -1 the patch
            embedding, which has ``patches`` only.
        side: Queries (``q``), keys and values (``kv``), the feed-forward part (``ffn``), the
            ``grid`` that blocks run on, the ``tokens`` of all that follows, or the ``patches`` that
            an image is made of.
        grid: Of the tokens that arrive. Where a stage has a smaller grid, its other sides are told
            as on that one; blocks on the full grid use the same method and settings.
        match_every: In how many consecutive blocks one match is used.
        match_of: ``q`` where the match of the same block's queries is used, with their settings.
    """

    stage: int
    side: Literal["q", "kv", "ffn", "grid", "tokens", "patches"]
    method: str
    settings: dict[str, int | float | str]
    grid: tuple[int, int]
    tokens_in: int
    tokens_out: int
    match_every: int = 1
    match_of: Literal["q"] | None = None

    @property
    def part(self) -> str:
        """Of the network, in words: ``stage 3``, ``head``, ``embed``."""
        return {0: "head", -1: "embed"}.get(self.stage, f"stage {self.stage}")


@dataclass(frozen=True)
class MatchTrial:
    """One match for ``match_every`` blocks of one stage, and the ``agreement`` that it gave."""

    stage: int
    match_every: int
    agreement: float


@dataclass(frozen=True)
class MatchSearch:
    """How ``--match-interval auto`` came to its choice.

    An agreement is the share of pixels that are labelled as without merging, the mean over the
    images, in FP32 PyTorch.

    Attributes:
        images: How many it was measured on.
        tolerance: What the choice may lose of ``agreement_fresh``.
        agreement_fresh: With a match in every block.
        agreement: As chosen.
        trials: In the order in which they were measured; stages measured before keep their choice,
            those after match in every block.
    """

    images: int
    tolerance: float
    agreement_fresh: float
    agreement: float
    trials: tuple[MatchTrial, ...]


@dataclass(frozen=True)
class Parity:
    """How closely the file follows FP32 PyTorch on one real image.

    Attributes:
        pixel_agreement: Share of pixels with the same label, each side matching for itself; in
            BF16, which ONNX Runtime does not run, with every value rounded to it.
        min_agreement: What the gate asked of ``agreement_given_matches`` (FP32) or of
            ``pixel_agreement`` (lower precisions).
        agreement_given_matches: The same when PyTorch merges what the file merged; FP32 only.
        max_logit_difference: Largest difference of a logit then; FP32 only.
        tolerance: What it may be, derived from the network's sizes; FP32 only.
        agreement_rounded: Share of pixels with the same label when every half is rounded, as on a
            GPU; FP16 only. The gate asks ``min_agreement`` of it too.
        matches: How many tokens took part in matchings.
        matches_differing: How many of them PyTorch would have given another slot: near-ties.
    """

    image: str
    image_sha256: str
    pixel_agreement: float
    min_agreement: float
    agreement_given_matches: float | None = None
    max_logit_difference: float | None = None
    tolerance: float | None = None
    agreement_rounded: float | None = None
    matches: int = 0
    matches_differing: int = 0


@dataclass(frozen=True)
class Reference:
    """How closely the file follows the logits that its owner's own code gave for an input.

    Attributes:
        pixel_agreement: Share of pixels with the same label, at the size of the owner's logits.
        max_logit_difference: Largest difference of a logit.
        unmerged_agreement: The same share for the network without merging, in FP32 PyTorch: what
            the reading of the checkpoint alone costs.
    """

    file: str
    sha256: str
    pixel_agreement: float
    max_logit_difference: float
    unmerged_agreement: float
    min_agreement: float


@dataclass(frozen=True)
class CalibrationDrop:
    """What INT8 loses on pictures that it was neither calibrated nor chosen on, in points of 100.

    Attributes:
        measure: ``mIoU`` against labels, or ``agreement`` with the float file.
        reference: Of the float file.
        model: Of the file.
        low, high: Between them the loss lies with 95 % confidence (percentile bootstrap over
            pictures, Efron, 1979), however small that number of pictures makes the claim.
        classes: What each class's IoU loses; None where a class does not occur.
        classes_low, classes_high: Each class's loss lies between them, likewise.
    """

    measure: Literal["mIoU", "agreement"]
    reference: float
    model: float
    low: float
    high: float
    classes: tuple[float | None, ...]
    pictures: int
    classes_low: tuple[float | None, ...] = ()
    classes_high: tuple[float | None, ...] = ()

    @property
    def points(self) -> float:
        """The loss; negative where the file is better."""
        return self.reference - self.model


@dataclass(frozen=True)
class Calibration:
    """How a file became INT8.

    Attributes:
        target: The dialect it is written in.
        methods: How ranges were chosen, by kind of product.
        equalized: Blocks whose outliers were moved into weights.
        int8: Products in INT8, by block.
        floats: Why the other products stayed float, by block or kind.
        images: SHA-256 of the pictures that the ranges are of.
        selected_on, reported_on: Those of the pictures that blocks were chosen and judged on.
        agreement: Share of the pixels of the latter that keep their class.
        drop: What the file loses there.
        faster: A call of the file beside one of the float file on the machine that calibrated, in
            milliseconds: ``{"float": 12.5, "int8": 9.5}``; empty where it was not timed.
        corrected: Blocks from whose biases was taken what INT8 shifts products by on average.
        rounding: How weights became integers.
        rounded: Blocks with weights that are not rounded to the nearest.
    """

    target: str
    methods: dict[str, str]
    equalized: tuple[str, ...]
    int8: dict[str, int]
    floats: dict[str, str]
    images: tuple[str, ...]
    selected_on: tuple[str, ...]
    reported_on: tuple[str, ...]
    agreement: float
    drop: CalibrationDrop
    faster: dict[str, float] = field(default_factory=dict)
    corrected: tuple[str, ...] = ()
    rounding: str = "nearest"
    rounded: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Everything a reader needs to know about one file.

    Attributes:
        reference: The comparison with the owner's own numbers, where they were given.
        islands: What stays FP32 in an FP16 file besides what always does.
        certificate: How to prove the file again; None of files that nothing was proved of.
        channels: Where there are fewer channels.
        channel_images: SHA-256 of the images that fixed channels were chosen on.
        origins: Where what a mask depends on comes from: ``given`` by the caller, ``stored`` in the
            weights, told by a ``config`` beside or inside them, or ``assumed``. The keys are
            ``heads``, ``mean``, ``std``, ``colors``, ``resize``, ``fit``, ``size``, ``classes``.
    """

    kind: Literal["onnx", "engine"]
    segpp: str
    file: FileInfo
    source: Source
    architecture: Architecture
    classes: Classes
    input: InputSpec
    outputs: tuple[OutputSpec, ...]
    reduction: tuple[ReductionSite, ...]
    precision: Literal["fp32", "fp16", "bf16", "int8"]
    tools: dict[str, str]
    parity: Parity | None = None
    reference: Reference | None = None
    islands: tuple[Island, ...] = ()
    origins: dict[str, Origin] = field(default_factory=dict)
    match_search: MatchSearch | None = None
    channels: tuple[ChannelSite, ...] = ()
    channel_images: tuple[str, ...] = ()
    calibration: Calibration | None = None
    engine: EngineInfo | None = None
    certificate: Certificate | None = None
    notes: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA
