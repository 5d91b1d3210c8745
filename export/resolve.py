"""From a config and a checkpoint to decided sizes, classes, input, token counts and rewrites."""

from dataclasses import dataclass

from segpp.errors import InputError, ReductionError
from segpp.export.config import AUTO, ExportConfig
from segpp.export.match_sharing_search import MatchSharing
from segpp.export.models.base import Checkpoint, ModelFamily, check_with_any, family_of
from segpp.export.models.precision import PRECISIONS
from segpp.export.models.rewriting import RewriteSelection, select_rewrites
from segpp.export.onnx_graph.io_wrapper import INPUTS, OUTPUTS
from segpp.export.parity import MIN_AGREEMENT
from segpp.export.reduction.config import ReductionChoice, ReductionConfig, count_tokens
from segpp.export.targets import ONNXRUNTIME, PORTABLE, TARGETS
from segpp.images.palette import default_palette
from segpp.manifest import Classes, InputSpec, ReductionSite
from segpp.ops.grid import Size
from segpp.utils.choices import check_choice

__all__ = ["ResolvedExport", "check_config", "resolve", "resolve_input", "resolve_reduction"]

# ImageNet's, on the 0-255 scale: what every published network of this kind was trained with.
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)

_MAX_BATCH = 64


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


def check_config(config: ExportConfig) -> None:
    """Raise InputError for numbers and names that no checkpoint could make right."""
    check_choice(config.precision, PRECISIONS, kind="precision")
    check_choice(config.input_dtype, INPUTS, kind="input")
    check_choice(config.outputs, OUTPUTS, kind="output")
    check_choice(config.target, TARGETS, kind="target")
    if config.target == ONNXRUNTIME and config.precision != "fp32":
        raise InputError(
            f"`target={ONNXRUNTIME}` with `precision={config.precision}`",
            "ONNX Runtime's own attention computes in FP32 on a CPU",
            hint=f"leave `target` at {PORTABLE}, or `precision` at fp32",
        )
    for given in (config.checkpoint, config.parity_image, *config.search_images):
        if given and given.exists() and config.out.exists() and config.out.samefile(given):
            raise InputError(f"the ONNX file would overwrite {given}", hint="name another file")
    if not 1 <= config.batch <= _MAX_BATCH:
        raise InputError(f"a batch of {config.batch} images", f"allowed: 1 to {_MAX_BATCH}")
    if config.min_agreement is not None and not 0 <= config.min_agreement <= 1:
        raise InputError(f"`min_agreement={config.min_agreement:g}`", "allowed: 0 to 1")
    _check_match_interval(config)
    check_with_any(lambda family: _check_with(family, config))


def _check_with(family: ModelFamily, config: ExportConfig) -> None:
    reduction = _reduction_of(config, family)
    if config.size is not None:
        family.check_size(config.size)
    if config.match_interval == AUTO and not any(r.is_content_based for r in reduction.values()):
        methods = ", ".join(sorted({r.name for r in reduction.values()}))
        raise InputError(
            f"`match_interval={AUTO}` has no match to use again",
            f"{methods} looks at the grid alone" if reduction else "no tokens are merged",
            hint="merge by similarity, as with `preset=hq` or `ratio=0.5`",
        )


def _check_match_interval(config: ExportConfig) -> None:
    if config.match_interval == AUTO:
        return
    if config.match_interval < 1:
        raise InputError(
            f"`match_interval={config.match_interval}`",
            hint="1 matches in every block, as in the paper",
        )
    if config.search_images:
        raise InputError(
            f"`search_images` goes with `match_interval={AUTO}`, which measures on them"
        )


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
    reduction = _reduction_of(config, family)
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


def _reduction_of(config: ExportConfig, family: ModelFamily) -> ReductionConfig:
    if isinstance(config.reduction, ReductionChoice):
        return family.reduction_config(config.reduction)
    return config.reduction or {}


def _repeated(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    # Several frames stacked (9 channels) repeat the colours; anything else gets neutral values
    # that the caller must know to be his own business.
    if channels % len(values) == 0:
        return values * (channels // len(values))
    return (sum(values) / len(values),) * channels


def _numbered_classes(count: int) -> Classes:
    names = tuple(f"class {index}" for index in range(count))
    return Classes(names, default_palette(count))
