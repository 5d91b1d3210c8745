"""How a picture of any shape fills a network's input, and where each of its pixels lies there.

Along one axis, with N pixels of the network's input and a picture of W pixels:

    stretch     content = N                                          start = 0
    letterbox   content = max(1, round(W * smaller of both scales))  start = 0
    crop        content = round(W * larger of both scales)           start = (N - content) // 2

where a scale is the network's side over the picture's, and halves round up. The picture, resized to
``content``, begins at pixel ``start``: what is left beside it is padding, what lies outside (from a
negative ``start`` on) is cut. A letterbox has its padding to the right and below alone, as trainers
pad: a network that never saw padding above takes the sky below it for something else
(docs/accuracy-and-speed.md). The centre of the picture's pixel x lies at

    (x + 1/2) * content / W + start

from the network's edge, in pixels. Masks are sampled there (``segpp.images.postprocess``), so that
no rounding of sizes and offsets shifts them.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from segpp.manifest import InputSpec
from segpp.ops.grid import Size
from segpp.utils.choices import check_choice

__all__ = [
    "FITS",
    "Fit",
    "Placement",
    "Span",
    "check_fit",
    "misfit",
    "padding_color",
    "place",
    "start_of",
    "unseen_label",
]

Fit = Literal["stretch", "letterbox", "crop"]
FITS: tuple[Fit, ...] = ("stretch", "letterbox", "crop")

# Aspects that differ by less are said nothing about: 352x480 for pictures of 360x480 is common.
_TOLERATED = 1.1
_MULTIPLE = 32
# Of the network's area, what a size of exactly the pictures' aspect has to have.
_SMALLEST = 0.75

_NO_CLASS = 255  # as nearly every data set marks pixels without a class
_MAX_COLOR = 255


@dataclass(frozen=True)
class Span:
    """One axis of a picture in a network's input, in pixels.

    Attributes:
        picture: Of the picture, or of a mask of it of another size.
        network: Of the input.
        content: Of the picture when it is resized.
        start: Where the content begins in the input; negative if it is cut.
    """

    picture: int
    network: int
    content: int
    start: int

    @property
    def centers(self) -> NDArray[np.float64]:
        """Where the centre of every pixel of the picture lies, from the input's edge."""
        pixels = np.arange(self.picture, dtype=np.float64)
        return (pixels + 0.5) * (self.content / self.picture) + self.start

    @property
    def seen(self) -> slice:
        """The pixels of the picture whose centre lies in the input."""
        first, after = np.searchsorted(self.centers, [0.0, float(self.network)])
        return slice(int(first), int(after))

    @property
    def share_cut(self) -> float:
        """The share of the picture that lies outside of the input."""
        return max(0.0, 1 - self.network / self.content)


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in a network's input."""

    rows: Span
    columns: Span

    def sampled(self, size: tuple[int, int]) -> "Placement":
        """Return the same place, looked at through a mask of another size than the picture."""
        rows, columns = size
        return Placement(replace(self.rows, picture=rows), replace(self.columns, picture=columns))

    @property
    def is_cut(self) -> bool:
        """Whether the network does not see the whole picture."""
        return max(self.rows.share_cut, self.columns.share_cut) > 0

    @property
    def share_padding(self) -> float:
        """The share of the input that is padding."""
        filled = [min(1.0, span.content / span.network) for span in (self.rows, self.columns)]
        return 1 - filled[0] * filled[1]

    @property
    def share_cut(self) -> float:
        """The share of the picture's pixels that the network does not see."""
        return 1 - (1 - self.rows.share_cut) * (1 - self.columns.share_cut)


def check_fit(name: str) -> Fit:
    """Return a fit by its name.

    Raises:
        InputError: There is none of that name.
    """
    check_choice(name, FITS, kind="fit")
    return cast("Fit", name)


def place(size: tuple[int, int], spec: InputSpec) -> Placement:
    """Return where a picture of a height and a width lies in the network's input."""
    network = (spec.height, spec.width)
    content = _content(size, network, spec.fit)
    rows, columns = (
        Span(picture, whole, part, start_of(whole, part))
        for picture, whole, part in zip(size, network, content, strict=True)
    )
    return Placement(rows, columns)


def start_of(network: int, content: int) -> int:
    """Return where ``content`` pixels begin on a side of the network: negative if it is cut."""
    return min(0, (network - content) // 2)


def padding_color(spec: InputSpec) -> NDArray[np.uint8]:
    """Return the colour beside a letterboxed picture, a value per channel: the rounded mean.

    A file that normalises floats itself has mean 0 outside, and tells the colour.
    """
    if spec.padding is not None:
        return np.array(spec.padding, np.uint8)
    rounded = [math.floor(value + 0.5) for value in spec.mean]
    return np.array(rounded).clip(0, _MAX_COLOR).astype(np.uint8)


def unseen_label(classes: int) -> int:
    """Return the label of pixels that a crop leaves out: 255, or -1 where that is a class."""
    return _NO_CLASS if classes <= _NO_CLASS else -1


def misfit(size: tuple[int, int], spec: InputSpec) -> str | None:
    """Return what the fit costs a picture of another aspect than the network's, and a way out.

    None where the aspects differ by at most 10 %.
    """
    mine, theirs = size[1] / size[0], spec.width / spec.height
    ratio = max(mine, theirs) / min(mine, theirs)
    if ratio <= _TOLERATED:
        return None
    placed = place(size, spec)
    costs = {
        "stretch": f"stretching makes everything {1 - 1 / ratio:.0%} "
        f"{'narrower' if mine > theirs else 'lower'} than it is (--fit letterbox keeps the shape)",
        "letterbox": f"{placed.share_padding:.0%} of the network's pixels are padding",
        "crop": f"{placed.share_cut:.0%} of the picture is cut off and gets no class",
    }
    network, fitting = Size(spec.height, spec.width), _fitting(size, spec)
    # In small networks no other multiple of 32 may be nearer.
    way_out = "" if fitting == network else f"; an export with --size {fitting} would fit"
    return f"pictures of {Size(*size)} in a network of {network}: {costs[spec.fit]}{way_out}"


def _content(size: tuple[int, int], network: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """Return height and width of the resized picture; whole numbers decide and round."""
    if fit == "stretch":
        return network
    (height, width), (rows, columns) = size, network
    is_wide = width * rows >= height * columns
    # A letterbox is as wide as the network for a wide picture, a crop is as high.
    if is_wide is (fit == "letterbox"):
        return max(1, (2 * height * columns + width) // (2 * width)), columns
    return rows, max(1, (2 * width * rows + height) // (2 * height))


def _fitting(size: tuple[int, int], spec: InputSpec) -> Size:
    """Return the size of about the network's area and a picture's aspect, a multiple of 32.

    One of exactly that aspect is preferred, if there is one of hardly less than the area.
    """
    if exact := _exact(size, spec.height * spec.width):
        return exact
    aspect = size[1] / size[0]
    height = math.sqrt(spec.height * spec.width / aspect)
    sides = (
        max(_MULTIPLE, round(side / _MULTIPLE) * _MULTIPLE) for side in (height, height * aspect)
    )
    return Size(*sides)


def _exact(size: tuple[int, int], area: int) -> Size | None:
    """Return the largest multiple of 32 of exactly that aspect and at most that area."""
    divisor = math.gcd(*size)
    height, width = (side // divisor for side in size)
    # What both sides have to be multiplied with before 32 divides them.
    step = math.lcm(*(_MULTIPLE // math.gcd(_MULTIPLE, side) for side in (height, width)))
    times = step * math.isqrt(area // (step * step * height * width))
    found = Size(height * times, width * times)
    return found if found.height * found.width >= _SMALLEST * area else None
