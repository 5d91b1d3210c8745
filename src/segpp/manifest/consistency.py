"""Whether the parts of a manifest agree with each other."""

import re
from collections.abc import Iterator
from dataclasses import replace

from segpp.errors import InputError, ManifestError
from segpp.images.picture import MOST_BANDS
from segpp.images.white import check_white
from segpp.manifest.channels import ChannelSite
from segpp.manifest.schema import (
    TENSOR_DIMENSIONS,
    Architecture,
    Classes,
    InputSpec,
    Manifest,
    ReductionSite,
)

__all__ = [
    "MOST",
    "channel_problems",
    "check_consistent",
    "check_fitting_bands",
    "reading_pictures",
]

_MAX_COLOR = 255
_RGB = 3
# The stages of sites in no stage, and the one side that each has.
_OUTSIDE = {0: "grid", -1: "patches"}
# Beyond it no engine counts.
MOST = (1 << 31) - 1
_MOST_SETTINGS, _MOST_TEXT = 16, 40


def check_consistent(manifest: Manifest, where: str) -> None:
    """Raise ManifestError if one part of the manifest contradicts another."""
    problems = (
        *_classes_problems(manifest.classes, manifest.architecture),
        *_input_problems(manifest.input),
        *_output_problems(manifest),
        *(problem for site in manifest.reduction for problem in _site_problems(site)),
        *(problem for site in manifest.channels for problem in channel_problems(site)),
        *_place_problems(manifest),
    )
    if problems:
        raise ManifestError(f"{where} {problems[0]}")


def _classes_problems(classes: Classes, architecture: Architecture) -> Iterator[str]:
    named, colored, trained = len(classes.names), len(classes.palette), architecture.classes
    if named != colored:
        yield f"names {named} classes and colours {colored}"
    # Files of one channel named a single class before they told its background.
    if named not in ({1, 2} if trained == 1 else {trained}):
        yield f"names {named} classes of a network with {trained}"
    if not all(0 <= value <= _MAX_COLOR for color in classes.palette for value in color):
        yield "has a colour outside 0-255"


def _input_problems(spec: InputSpec) -> Iterator[str]:
    if len(spec.shape) != TENSOR_DIMENSIONS or min(spec.shape) < 1:
        yield f"gives the input shape {list(spec.shape)!r:.80}"
    elif not (len(spec.mean) == len(spec.std) == spec.channels) or min(spec.std) <= 0:
        yield "gives a mean or std that does not fit its input"
    elif spec.padding is not None and not _is_color(spec.padding, spec.channels):
        yield f"pads its input with {list(spec.padding)!r:.80}"
    elif not _is_white(spec.white):
        yield f"says that white is {spec.white!r:.80}"
    elif spec.bands is not None and not _are_bands(spec.bands, spec.channels):
        yield f"takes the bands {list(spec.bands)!r:.80}"


def _is_white(white: str | None) -> bool:
    try:
        check_white(white)
    except InputError:
        return False
    return True


def check_fitting_bands(bands: tuple[int, ...] | None, channels: int) -> None:
    """Raise InputError unless so many bands make a picture of so many channels, or a frame."""
    if bands is not None and not _are_bands(bands, channels):
        shown = ",".join(map(str, bands))
        raise InputError(f"`bands` is {shown}", f"the network takes {channels} channel(s)")


def reading_pictures(
    manifest: Manifest, white: str | None, bands: tuple[int, ...] | None
) -> Manifest:
    """Return a manifest that says what is white in picture files and which bands are taken.

    Args:
        manifest: Any.
        white: Instead of what it says; None for that.
        bands: Likewise.

    Raises:
        InputError: The network takes other channels.
    """
    check_fitting_bands(bands, manifest.input.channels)
    spec = manifest.input
    own = replace(spec, white=white or spec.white, bands=bands or spec.bands)
    return manifest if own == spec else replace(manifest, input=own)


def _are_bands(bands: tuple[int, ...], channels: int) -> bool:
    """Return whether bands of a file make a picture of so many channels, or one frame of it."""
    fitting = {channels}
    if channels % _RGB == 0:
        fitting |= {1, _RGB}
    if channels == 1:
        fitting.add(_RGB)
    return len(bands) in fitting and all(1 <= band <= MOST_BANDS for band in bands)


def _is_color(values: tuple[int, ...], channels: int) -> bool:
    return len(values) == channels and all(0 <= value <= _MAX_COLOR for value in values)


def _output_problems(manifest: Manifest) -> Iterator[str]:
    if not manifest.outputs:
        yield "names no output"
    for output in manifest.outputs:
        if not output.shape or min(output.shape) < 1:
            yield f"gives the output shape {list(output.shape)!r:.80}"
    if manifest.kind == "engine" and manifest.engine is None:
        yield "is about an engine and does not describe it"


def _site_problems(site: ReductionSite) -> Iterator[str]:
    height, width = site.grid
    is_outside = site.stage < 1 or site.side == "patches"
    if is_outside and _OUTSIDE.get(site.stage) != site.side:
        yield f"names the site of stage {site.stage}, {site.side}"
    if site.match_of is not None and site.side != "ffn":
        yield f"says that stage {site.stage}, {site.side} merges by the match of {site.match_of}"
    if not 1 <= site.match_every <= MOST or (site.side == "grid" and site.match_every > 1):
        yield (
            f"says that stage {site.stage}, {site.side} matches every "
            f"{site.match_every!r:.20} blocks"
        )
    if not _are_settings(site.settings):
        yield f"gives stage {site.stage}, {site.side} the settings {site.settings!r:.80}"
    if max(height, width, site.tokens_in) > MOST:
        yield f"gives stage {site.stage}, {site.side} a grid of {height!r:.20}x{width!r:.20}"
    if site.tokens_in != height * width or not 1 <= site.tokens_out <= site.tokens_in:
        yield (
            f"says that stage {site.stage}, {site.side} makes {site.tokens_out} tokens of "
            f"{site.tokens_in} on a grid of {height}x{width}"
        )


def _place_problems(manifest: Manifest) -> Iterator[str]:
    """Yield what names stages, blocks or matches that are not there."""
    depths = manifest.architecture.depths
    stages = [*(site.stage for site in manifest.reduction), *(g.stage for g in manifest.channels)]
    if max(stages, default=0) > len(depths):
        yield f"names stage {max(stages)!r:.20} of a network with {len(depths)}"
        return
    for gated in manifest.channels:
        depth = depths[gated.stage - 1]
        known = {f"{block}" for block in range(1, depth + 1)}
        blocks = [name.partition(".")[0] for name in gated.kept]
        if unknown := [block for block in blocks if block not in known]:
            yield f"names block {unknown[0]:.20} of stage {gated.stage} with {depth}"
    queries = {s.stage: (s.method, s.settings) for s in manifest.reduction if s.side == "q"}
    for site in manifest.reduction:
        if site.match_of and queries.get(site.stage) != (site.method, site.settings):
            yield f"says that stage {site.stage}, {site.side} merges as its queries, which do not"


def channel_problems(site: ChannelSite) -> Iterator[str]:
    """Yield what cannot be true of one place with fewer channels, each as the end of a sentence."""
    if not (1 <= site.stage <= MOST and 1 <= site.groups <= MOST):
        yield f"names the channels of stage {site.stage!r:.20} in {site.groups!r:.20} groups"
    elif not 0 <= site.predictor <= site.channels_in <= MOST:
        yield (
            f"says that stage {site.stage}, {site.part} has {site.channels_in!r:.20} channels and "
            f"a predictor of {site.predictor!r:.20}"
        )
    elif not _are_settings(site.settings):
        yield f"gives stage {site.stage}, {site.part} the settings {site.settings!r:.80}"
    elif not 1 <= site.channels_out <= site.channels_in or {
        site.channels_in % site.groups,
        site.channels_out % site.groups,
    } != {0}:
        yield (
            f"says that stage {site.stage}, {site.part} keeps {site.channels_out} channels of "
            f"{site.channels_in} in {site.groups} groups"
        )
    elif not _are_kept(site):
        yield f"does not say which {site.channels_out} channels stage {site.stage} keeps"


def _are_settings(settings: dict[str, int | float | str]) -> bool:
    texts = (*settings, *(value for value in settings.values() if isinstance(value, str)))
    numbers = (value for value in settings.values() if not isinstance(value, str))
    return (
        len(settings) <= _MOST_SETTINGS
        and all(len(text) <= _MOST_TEXT and text.isprintable() for text in texts)
        and all(isinstance(number, float) or abs(number) <= MOST for number in numbers)
    )


def _are_kept(site: ChannelSite) -> bool:
    """Whether what stays is told by block and layers, and of what stays for all images."""
    layers = "hidden" if site.part == "hidden" else "(qk|v)"
    return (not site.kept or site.method == "fixed") and all(
        re.fullmatch(rf"[1-9]\d{{0,3}}\.{layers}", name) and _keeps(mask, site)
        for name, mask in site.kept.items()
    )


def _keeps(mask: str, site: ChannelSite) -> bool:
    digits = -(-site.channels_in // 4)
    if len(mask) != digits or not set(mask) <= set("0123456789abcdef"):
        return False
    beyond = 4 * digits - site.channels_in
    bits = int(mask, 16)
    return bits.bit_count() == site.channels_out and not bits % (1 << beyond)
