"""What a way to show a result is: a name for ``--save``, what it needs, how it is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import InputError
from segpp.images.drawing.contours import draw_contours
from segpp.images.drawing.dark import lifted
from segpp.images.drawing.legend import (
    Entry,
    add_legend,
    entries_of,
    legend_inside,
    without_shares,
)
from segpp.images.palette import Color, overlay
from segpp.images.preprocess import ImageArray
from segpp.utils.choices import check_choice
from segpp.utils.registry import Registry

__all__ = [
    "LEGENDS",
    "LOOKS",
    "Look",
    "RenderConfig",
    "Segmented",
    "kinds_of",
    "painted",
    "with_legend",
    "with_panel",
]

# Where a legend can be.
LEGENDS = ("panel", "inside", "none")


@dataclass(frozen=True)
class Segmented:
    """One image with everything that can be shown of it.

    Args:
        image: RGB (H, W, 3).
        labels: Class numbers (H, W).
        confidence: Probability of the class shown (H, W), NaN where the network saw nothing; only
            where a look needs it.
        others: The labels (H, W) of a second network; only where a look needs them.
    """

    image: ImageArray
    labels: NDArray[Any]
    confidence: NDArray[np.float32] | None = None
    others: NDArray[Any] | None = None


@dataclass(frozen=True)
class RenderConfig:
    """How results are shown.

    Args:
        kinds: Names of ``LOOKS``.
        palette: A color for each class.
        alpha: Share of the color in an overlay, 0 to 1.
        names: Of the classes.
        legend: ``panel``, ``inside`` or ``none``.
        contours: Draw a line between classes.
        models: What the network is called, and the second one.
        film: The pictures are frames: all have one size, and nothing may jump about.
        force: Replace files that segpp did not write, too.
        unseen: The label of what a crop leaves out, if there is a crop.
    """

    kinds: tuple[str, ...]
    palette: tuple[Color, ...]
    alpha: float
    names: tuple[str, ...] = ()
    legend: str = "none"
    contours: bool = False
    models: tuple[str, str] = ("first", "second")
    film: bool = False
    force: bool = False
    unseen: int | None = None


@dataclass(frozen=True)
class Look:
    """One way to show a result.

    Args:
        summary: What is seen, for the help.
        draw: Returns the picture.
        needs: ``confidence`` or ``others`` of ``Segmented``.
        lossless: The pixels are numbers, which JPEG would change.
        frame: Returns the picture in color (H, W, 3), where ``draw`` gives one of numbers.
    """

    summary: str
    draw: Callable[[Segmented, RenderConfig], Image.Image]
    needs: Literal["confidence", "others"] | None = None
    lossless: bool = False
    frame: Callable[[Segmented, RenderConfig], ImageArray] | None = None

    def in_color(self, shown: Segmented, config: RenderConfig) -> ImageArray:
        """Return the picture as RGB (H, W, 3), for a film or a window."""
        if self.frame:
            return self.frame(shown, config)
        return np.asarray(self.draw(shown, config).convert("RGB"))


LOOKS: Registry[Look] = Registry("segpp.runtime.media.looks", kind="thing to save")

# Short for several.
_BOTH = "both"


def kinds_of(save: str) -> tuple[str, ...]:
    """Return the looks that ``--save`` names: ``overlay``, ``both`` or ``overlay,confidence``.

    Raises:
        InputError: There is no look of that name.
    """
    words = [word.strip() for word in save.split(",") if word.strip()]
    if not words:
        raise InputError(f"there is nothing to save in {save!r}", f"known: {', '.join(LOOKS)}")
    for word in words:
        check_choice(word, [*LOOKS, _BOTH], kind="thing to save")
    kinds = [kind for word in words for kind in (("overlay", "mask") if word == _BOTH else (word,))]
    return tuple(dict.fromkeys(kinds))


def painted(shown: Segmented, labels: NDArray[Any], config: RenderConfig) -> ImageArray:
    """Return the image (H, W, 3) with classes painted over it, and lines between them if wanted.

    A dark image is brightened first: half a colour on black is half a colour.
    """
    picture = overlay(lifted(shown.image), labels, config.palette, config.alpha)
    return draw_contours(picture, labels) if config.contours else picture


def with_legend(picture: ImageArray, labels: NDArray[Any], config: RenderConfig) -> ImageArray:
    """Return one picture (H, W, 3) of these labels with its legend, where there is to be one."""
    if config.legend == "inside":
        return legend_inside(picture, _entries(labels, config), labels, film=config.film)
    return with_panel(picture, labels, config)


def with_panel(picture: ImageArray, labels: NDArray[Any], config: RenderConfig) -> ImageArray:
    """Return several pictures in one with their legend beside or below them, if there is one.

    Args:
        labels: Class numbers (H, W), or those of several networks (N, H, W); shares are told of
            one network only.
    """
    if config.legend == "none":
        return picture
    entries = _entries(labels, config)
    is_one = labels.ndim == 2  # noqa: PLR2004 - (H, W)
    return add_legend(picture, entries if is_one else without_shares(entries), film=config.film)


def _entries(labels: NDArray[Any], config: RenderConfig) -> list[Entry]:
    names, palette = config.names, config.palette
    return entries_of(labels, names, palette, every=config.film, unseen=config.unseen)
