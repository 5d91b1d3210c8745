"""From a config and a checkpoint to decided sizes, classes, input, token counts and rewrites."""

from dataclasses import dataclass

from segpp.errors import InputError, ReductionError
from segpp.export.config import OUTPUTS, ExportConfig, reduction_of
from segpp.export.match_sharing_search import MatchSharing
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.rewriting import RewriteSelection, select_rewrites
from segpp.export.parity import MIN_AGREEMENT
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.images.palette import default_palette
from segpp.manifest import Classes, InputSpec, ReductionSite
from segpp.ops.grid import Size

__all__ = ["ResolvedExport", "resolve", "resolve_input", "resolve_reduction"]

# ImageNet's, on the 0-255 scale: what every published network of this kind was trained with.
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class ResolvedExport:
    """A config and a checkpoint brought together: nothing is left to decide.

    Attributes:
        config: What the caller chose.
        checkpoint: What it was chosen for.
        reduction: The reduction at each site.
        sharing: In how many blocks one match serves.
        rewrites: Which rewrites apply.
        input: What the file takes.
        classes: Names and colours, made up where the checkpoint has none.
        sites: The tokens at each site.
        min_agreement: Share of pixels that must agree with PyTorch.
    """

    config: ExportConfig
    checkpoint: Checkpoint
    reduction: ReductionConfig
    sharing: MatchSharing
    rewrites: RewriteSelection
    input: InputSpec
    classes: Classes
    sites: tuple[ReductionSite, ...]
    min_agreement: float

    @property
    def size(self) -> Size:
        """The input in pixels."""
        return Size(self.input.height, self.input.width)


def resolve_input(config: ExportConfig, checkpoint: Checkpoint) -> InputSpec:
    """Return what the file takes.

    Raises:
        InputError: The network does not take the size, or the outputs cannot follow the
            checkpoint's way of resizing.
    """
    family = family_of(checkpoint.architecture)
    size = config.size or checkpoint.size or family.default_size
    family.check_size(size)
    if "labels" in OUTPUTS[config.outputs] and checkpoint.align_corners:
        raise InputError(
            f"`outputs={config.outputs}` cannot follow a {checkpoint.format} checkpoint",
            "it resizes logits with align_corners=True, the operator for labels with False",
            hint="with `outputs=logits` segpp resizes them as in training",
        )
    channels = checkpoint.architecture.channels
    is_pixels = config.input_dtype == "uint8"
    shape = (*size, channels) if is_pixels else (channels, *size)
    return InputSpec(
        name="image",
        shape=(config.batch, *shape),
        dtype="uint8" if is_pixels else "float32",
        layout="NHWC" if is_pixels else "NCHW",
        colours="RGB",
        mean=checkpoint.mean or _repeated(_MEAN, channels),
        std=checkpoint.std or _repeated(_STD, channels),
    )


def resolve_reduction(
    config: ExportConfig, checkpoint: Checkpoint, spec: InputSpec
) -> ReductionConfig:
    """Return the reduction at each site.

    Raises:
        ReductionError: The network has no such site, or the reduction does not fit its grid.
    """
    family = family_of(checkpoint.architecture)
    reduction = reduction_of(config, family)
    # A reduction given as objects, not as text, has been checked by nobody.
    if absent := [str(site) for site in reduction if site not in family.sites]:
        raise ReductionError(
            f"{checkpoint.architecture.name} has no merge site {absent[0]}",
            f"known: {', '.join(map(str, family.sites))}",
        )
    # Whether it fits does not depend on what shares a match, and is told before any search.
    count_tokens(reduction, family.grids(Size(spec.height, spec.width)))
    return reduction


def resolve(
    config: ExportConfig,
    checkpoint: Checkpoint,
    spec: InputSpec,
    reduction: ReductionConfig,
    sharing: MatchSharing,
) -> ResolvedExport:
    """Bring everything together.

    Raises:
        InputError: There is no such rewrite.
    """
    family = family_of(checkpoint.architecture)
    grids = family.grids(Size(spec.height, spec.width))
    agreement = config.min_agreement
    return ResolvedExport(
        config=config,
        checkpoint=checkpoint,
        reduction=reduction,
        sharing=sharing,
        rewrites=select_rewrites(family.rewrites(), config.target, off=config.rewrites_off),
        input=spec,
        classes=checkpoint.classes or _numbered_classes(checkpoint.architecture.classes),
        sites=count_tokens(reduction, grids, match_interval=sharing.interval),
        min_agreement=MIN_AGREEMENT[config.precision] if agreement is None else agreement,
    )


def _repeated(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    # Several frames stacked (9 channels) repeat the colours; anything else gets neutral values
    # that the caller must know to be his own business.
    if channels % len(values) == 0:
        return values * (channels // len(values))
    return (sum(values) / len(values),) * channels


def _numbered_classes(count: int) -> Classes:
    names = tuple(f"class {index}" for index in range(count))
    return Classes(names, default_palette(count))
