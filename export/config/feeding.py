"""What a network takes, from a config and a checkpoint: size, channels, mean, fit. Without onnx."""

from math import isfinite
from typing import Literal

from segpp.errors import InputError
from segpp.export.config import ExportConfig
from segpp.export.models.base import Checkpoint, family_of
from segpp.images.preprocess import IMAGENET_MEAN, IMAGENET_STD
from segpp.manifest import InputSpec, check_fitting_bands
from segpp.ops.grid import Size

__all__ = ["resolve_input"]

# Sides that differ by less are a pixel or two off: 1080 to 540, 720 to 352.
_SAME_SHAPE = 0.01

# What the tensor of each input is.
_DTYPES: dict[str, Literal["float32", "float16", "uint8"]] = {
    "float32": "float32",
    "float32-pixels": "float32",
    "float16": "float16",
    "uint8": "uint8",
}


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
        padding=checkpoint.padding if fit == "letterbox" else None,
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


def _repeated(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    # Several frames stacked (9 channels) repeat the colours; anything else gets neutral values
    # that the caller must know to be his own business.
    if channels % len(values) == 0:
        return values * (channels // len(values))
    return (sum(values) / len(values),) * channels
