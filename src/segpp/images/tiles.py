"""A picture in tiles of the network's size, whose logits are blended where they overlap.

The picture keeps its own resolution. Tiles begin every ``(1 - overlap)`` of a tile, the last one
ends at the picture's far edge. The logits of a tile are resized to its pixels and added; the class
with the highest sum has the highest mean. A side shorter than a tile is padded with the mean
colour behind its end, and its padding is in no sum.

Only a band of one tile's height is summed at a time: K x tile height x W values, however high the
picture is.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segpp.errors import InputError
from segpp.images.fit import Placement, Span, start_of
from segpp.images.postprocess import best_class, resized_planes
from segpp.images.preprocess import ImageArray, pad_image
from segpp.manifest import InputSpec
from segpp.ops.grid import Size

__all__ = [
    "MAX_OVERLAP",
    "OVERLAP",
    "Windows",
    "check_overlap",
    "joined_rows",
    "tile_labels",
    "tile_misfit",
    "tile_rows",
    "tile_starts",
]

Logits = NDArray[np.float32]


class Windows(Protocol):
    """A picture (H, W, C) of which parts are asked for: an array, or a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels."""

    def __getitem__(self, window: tuple[slice, slice], /) -> ImageArray:
        """Return the pixels of two slices without steps."""


OVERLAP = 0.25
# Nearer to 1 the number of tiles has no bound.
MAX_OVERLAP = 0.9

# A strip of less is said nothing about.
_TOLERATED = 0.1


def check_overlap(overlap: float) -> None:
    """Raise InputError unless neighbouring tiles can share that part of a side."""
    if not 0.0 <= overlap <= MAX_OVERLAP:
        raise InputError(f"an overlap of {overlap:g}", f"allowed: 0 to {MAX_OVERLAP:g} of a tile")


def tile_starts(length: int, tile: int, overlap: float) -> list[int]:
    """Return where tiles begin along a side of a picture; the last ends with the side."""
    last = max(0, length - tile)
    step = max(1, round(tile * (1 - overlap)))
    return [*range(0, last, step), last]


def tile_misfit(size: tuple[int, int], spec: InputSpec) -> str | None:
    """Return what tiles cost a picture smaller than one, None where at most 10 % are padding."""
    network = Size(spec.height, spec.width)
    filled = [min(1.0, side / whole) for side, whole in zip(size, network, strict=True)]
    padding = 1 - filled[0] * filled[1]
    if padding <= _TOLERATED:
        return None
    return (
        f"pictures of {Size(*size)} in tiles of {network}: {padding:.0%} of the network's pixels "
        "are padding (without tiles pictures are enlarged to fit)"
    )


def tile_labels(
    picture: ImageArray,
    spec: InputSpec,
    logits_of: Callable[[Sequence[ImageArray]], Logits],
    *,
    overlap: float = OVERLAP,
    align_corners: bool = False,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> NDArray[Any]:
    """Return the labels (H, W) of a picture (H, W, C).

    Args:
        picture: Of any size.
        spec: The network's input.
        logits_of: Gives logits (B, K, h, w) for up to ``spec.batch`` images of the network's size.
        overlap: What neighbouring tiles share of a side, 0 to ``MAX_OVERLAP``.
        align_corners: How logits are meant to be resized.
        after_each: Called with how many tiles are done, and of how many, after every batch.
    """
    size = picture.shape[0], picture.shape[1]
    rows_of = tile_rows(
        picture,
        spec,
        logits_of,
        overlap=overlap,
        align_corners=align_corners,
        after_each=after_each,
    )
    return joined_rows(rows_of, size)


def joined_rows(rows: Iterator[NDArray[Any]], size: Sequence[int]) -> NDArray[Any]:
    """Return labels (H, W) of which parts come from top to bottom.

    Raises:
        InputError: None comes.
    """
    labels, top = None, 0
    for some in rows:
        if labels is None:
            labels = np.empty(tuple(size), some.dtype)
        labels[top : top + len(some)] = some
        top += len(some)
    if labels is None:
        raise InputError(f"a picture {tuple(size)} has no pixels")
    return labels


def tile_rows(
    picture: Windows,
    spec: InputSpec,
    logits_of: Callable[[Sequence[ImageArray]], Logits],
    *,
    overlap: float = OVERLAP,
    align_corners: bool = False,
    after_each: Callable[[int, int], object] = lambda _done, _total: None,
) -> Iterator[NDArray[Any]]:
    """Yield the labels of a picture as ``tile_labels`` does, some rows (h, W) after the other.

    Args:
        picture: Of any size; only its windows are asked for, from top to bottom.
        spec, logits_of, overlap, align_corners, after_each: As there.
    """
    rows, columns = (
        _tile_span(length, side)
        for length, side in zip(picture.shape[:2], (spec.height, spec.width), strict=True)
    )
    starts = list(
        product(
            tile_starts(picture.shape[0], spec.height, overlap),
            tile_starts(picture.shape[1], spec.width, overlap),
        )
    )
    band, done = None, 0
    for some in _batches(starts, spec.batch):
        parts = [picture[y : y + rows.picture, x : x + columns.picture] for y, x in some]
        logits = logits_of([pad_image(part, spec) for part in parts])
        for (y, x), one in zip(some, logits, strict=False):
            band = band or _Band(len(one), rows.picture, picture.shape[1])
            yield from band.move_to(y)
            planes = resized_planes(one, Placement(rows, columns), align_corners=align_corners)
            band.add(planes, x, columns.picture)
        done += len(some)
        after_each(done, len(starts))
    if band is not None:
        yield band.finish()


class _Band:
    """Sums of logits of as many rows as a tile has; rows above are labels already."""

    def __init__(self, classes: int, height: int, width: int) -> None:
        self._sums = np.zeros((classes, height, width), np.float32)
        self._top = 0

    def move_to(self, top: int) -> Iterator[NDArray[Any]]:
        """Yield the labels of the rows above ``top``, which no later tile reaches."""
        done = top - self._top
        if done == 0:
            return
        yield best_class(self._sums[:, :done])
        kept = self._sums.shape[1] - done
        # The rows overlap, so they move in steps that do not.
        for plane in self._sums:
            plane[:kept] = plane[done:].copy()
            plane[kept:] = 0
        self._top = top

    def add(self, planes: Iterator[Logits], left: int, width: int) -> None:
        """Add a tile's logits, class by class."""
        for sums, plane in zip(self._sums, planes, strict=True):
            sums[:, left : left + width] += plane

    def finish(self) -> NDArray[Any]:
        """Return the labels of the last rows."""
        return best_class(self._sums)


def _tile_span(length: int, tile: int) -> Span:
    """Return where one side of a tile lies in the network's input: where that begins."""
    part = min(length, tile)
    return Span(part, tile, part, start_of(tile, part))


def _batches(starts: Sequence[tuple[int, int]], size: int) -> Iterator[Sequence[tuple[int, int]]]:
    return (starts[first : first + size] for first in range(0, len(starts), size))
