"""From a config and a checkpoint to decided sizes, classes, input, token counts and rewrites."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from segpp.errors import InputError, ReductionError
from segpp.export.config import ExportConfig, reduction_of
from segpp.export.match_sharing_search import MatchSharing
from segpp.export.models.base import Checkpoint, family_of
from segpp.export.models.rewriting import RewriteSelection, select_rewrites
from segpp.export.parity import MIN_AGREEMENT
from segpp.export.reduction.config import ReductionConfig, count_tokens
from segpp.images.palette import BINARY_NAMES, default_palette
from segpp.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from segpp.manifest import Classes, InputSpec, Origin, ReductionSite, check_fitting_bands
from segpp.ops.grid import Size

__all__ = [
    "ResolvedExport",
    "assumed_note",
    "resolve",
    "resolve_input",
    "resolve_origins",
    "resolve_reduction",
]


# What a mask depends on, of which somebody must tell or something be assumed.
_ASSUMED = ("heads", "mean", "std", "colors", "resize", "fit", "size", "classes")

# Sides that differ by less are a pixel or two off: 1080 to 540, 720 to 352.
_SAME_SHAPE = 0.01

# What the tensor of each input is.
_DTYPES: dict[str, Literal["float32", "float16", "uint8"]] = {
    "float32": "float32",
    "float32-pixels": "float32",
    "float16": "float16",
    "uint8": "uint8",
}


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
        origins: Where what a mask depends on comes from.
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
    origins: dict[str, Origin]

    @property
    def size(self) -> Size:
        """The input in pixels."""
        return Size(self.input.height, self.input.width)


def resolve_input(config: ExportConfig, checkpoint: Checkpoint) -> InputSpec:
    """Return what the file takes.

    Raises:
        InputError: The network does not take the size.
    """
    family = family_of(checkpoint.architecture)
    size = config.size or checkpoint.size or family.default_size
    family.check_size(size)
    fit = _fit_of(config, checkpoint)
    if config.picture is not None and fit != "stretch":
        _check_shape(config.picture, size)
    channels = checkpoint.architecture.channels
    is_pixels = config.input_dtype == "uint8"
    shape = (*size, channels) if is_pixels else (channels, *size)
    check_fitting_bands(config.bands, channels)
    return InputSpec(
        name=config.input_name,
        shape=(config.batch, *shape),
        dtype=_DTYPES[config.input_dtype],
        layout="NHWC" if is_pixels else "NCHW",
        colours="RGB",
        mean=_given("--mean", config.mean, channels)
        or checkpoint.mean
        or _repeated(IMAGENET_MEAN, channels),
        std=_given("--std", config.std, channels)
        or checkpoint.std
        or _repeated(IMAGENET_STD, channels),
        resize=checkpoint.resize or "pillow-bilinear",
        fit=fit,
        white=config.white,
        bands=config.bands,
    )


def _fit_of(
    config: ExportConfig, checkpoint: Checkpoint
) -> Literal["stretch", "letterbox", "crop"]:
    known: dict[str | None, Literal["stretch", "letterbox", "crop"]] = {
        "stretch": "stretch",
        "crop": "crop",
    }
    return known.get(config.fit or checkpoint.fit, "letterbox")


def _check_shape(picture: Size, size: Size) -> None:
    """Raise InputError unless a picture fills the network's input without bars or cuts."""
    ratio = picture.width * size.height / (picture.height * size.width)
    if abs(ratio - 1) <= _SAME_SHAPE:
        return
    width = max(1, round(picture.width * size.height / picture.height / 32)) * 32
    height = max(1, round(width * picture.height / picture.width))
    raise InputError(
        f"`picture={picture}` has another shape than the network's input, {size}",
        "a file that resizes pictures itself fills its input with them, without bars",
        hint=f"`size={height}x{width}`, or `fit=stretch` if the network was trained so",
    )


def _given(flag: str, values: tuple[float, ...] | None, channels: int) -> tuple[float, ...] | None:
    """Return a number per channel, of so many numbers as one image or the whole input has."""
    if values is None:
        return None
    text = ",".join(f"{value:g}" for value in values)
    if not values or channels % len(values):
        raise InputError(
            f"{flag} {text} does not fit {channels} channels", "expected: one number per channel"
        )
    if not all(isfinite(value) for value in values) or (flag == "--std" and min(values) <= 0):
        raise InputError(f"{flag} {text}", "expected: numbers on the 0-255 scale")
    _check_scale(flag, values)
    return values * (channels // len(values))


def _check_scale(flag: str, values: tuple[float, ...]) -> None:
    """Raise InputError for numbers that are meant for pixels from 0 to 1."""
    # Raw pixels have the mean 0 and the deviation 1; nothing with a picture in it lies between.
    if 0 < max(values) < 1 and min(values) >= 0:
        there = ",".join(f"{255 * value:g}" for value in values)
        raise InputError(
            f"{flag} {','.join(f'{value:g}' for value in values)} is of pixels from 0 to 1",
            "expected: numbers on the 0-255 scale",
            hint=f"{flag} {there}",
        )


def resolve_origins(config: ExportConfig, checkpoint: Checkpoint) -> dict[str, Origin]:
    """Return where everything that a mask depends on comes from."""
    given: dict[str, object] = {
        "heads": config.heads,
        "mean": config.mean,
        "std": config.std,
        "colors": config.colors,
        "fit": config.fit,
        "size": config.size,
    }
    assumed: dict[str, Origin] = dict.fromkeys(_ASSUMED, "assumed")
    said: dict[str, Origin] = {key: "given" for key, value in given.items() if value is not None}
    return assumed | dict(checkpoint.origins) | said


def assumed_note(plan: ResolvedExport) -> str | None:
    """Return one sentence on what nobody told, or None if all was.

    Heads are left to the loader, which knows whether the widths are published ones and have theirs,
    and the order of the channels to ``origins``: RGB is what nearly everybody trains on.
    """
    spec = plan.input
    values = {
        "mean": _numbers(spec.mean),
        "std": _numbers(spec.std),
        "fit": spec.fit,
        "size": str(plan.size),
    }
    assumed = [key for key, origin in plan.origins.items() if origin == "assumed"]
    if not (told := [f"--{key} {values[key]}" for key in values if key in assumed]):
        return None
    return f"assumed, since neither checkpoint nor caller tells: {', '.join(told)}"


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


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
    for site, method in reduction.items():
        method.check_side(site)
    # Whether it fits does not depend on what shares a match, and is told before any search.
    grids = family.grids(Size(spec.height, spec.width), reduction)
    count_tokens(reduction, grids, depths=checkpoint.architecture.depths)
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
    grids = family.grids(Size(spec.height, spec.width), reduction)
    agreement = config.min_agreement
    return ResolvedExport(
        config=config,
        checkpoint=checkpoint,
        reduction=reduction,
        sharing=sharing,
        rewrites=select_rewrites(family.rewrites(), config.target, off=config.rewrites_off),
        input=spec,
        classes=replace(
            checkpoint.classes or _numbered_classes(checkpoint.architecture.classes),
            reduce_labels=checkpoint.reduce_labels,
        ),
        sites=count_tokens(reduction, grids, match_interval=sharing.interval),
        min_agreement=MIN_AGREEMENT[config.precision] if agreement is None else agreement,
        origins=resolve_origins(config, checkpoint),
    )


def _repeated(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    # Several frames stacked (9 channels) repeat the colours; anything else gets neutral values
    # that the caller must know to be his own business.
    if channels % len(values) == 0:
        return values * (channels // len(values))
    return (sum(values) / len(values),) * channels


def _numbered_classes(count: int) -> Classes:
    names = BINARY_NAMES if count == 1 else tuple(f"class {index}" for index in range(count))
    return Classes(names, default_palette(len(names)))
