"""Masks come back to the pixel: proved without a network, for every fit.

    1. A mask is drawn: blocks of two classes, black and white, at a size of its own.
    2. Painted black and white it is a picture, and becomes an input as any other does.
    3. What lies there, minus the grey in the middle, is the logit of white, pixel for pixel.
    4. The logits become a mask at the picture's size, as those of a network do.

A picture of at most half of the input's sides is enlarged, so that each of its pixels has an input
pixel of its own nearby: the mask must be the drawn one, in every pixel. What a crop leaves out must
come back as no class. A shift by half a pixel anywhere between would show at every edge.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from segpp.images.fit import FITS, place, unseen_label
from segpp.images.postprocess import labels_from
from segpp.images.preprocess import prepare
from segpp.manifest import InputSpec, OutputSpec, RoundTrip

__all__ = ["round_trips"]

_MIDDLE = np.float32(127.5)
_WHITE = 255
_CLASSES = 2
_BLOCK = 3


def round_trips(spec: InputSpec) -> tuple[RoundTrip, ...]:
    """Return what became of drawn masks, three shapes through each fit, at an input's size."""
    return tuple(
        RoundTrip(fit, size, _different(size, replace(_plain(spec), fit=fit)))
        for fit in FITS
        for size in _sizes(spec)
    )


def _sizes(spec: InputSpec) -> Iterator[tuple[int, int]]:
    """Yield sizes of pictures of which the input holds two in either direction, all odd."""
    height, width = spec.height // 2, spec.width // 2
    yield _odd(height), _odd(width)
    # Much wider and much higher than the input: a letterbox pads, and a crop cuts them.
    yield _odd(height // 3), _odd(width)
    yield _odd(height), _odd(width // 3)


def _odd(side: int) -> int:
    return max(1, side - 1 + side % 2)


def _plain(spec: InputSpec) -> InputSpec:
    """Return the input as one of grey floats, the pixels themselves."""
    shape = (1, 1, spec.height, spec.width)
    grey = replace(spec, shape=shape, dtype="float32", layout="NCHW", colours="RGB")
    return replace(grey, mean=(0.0,), std=(1.0,), padding=(0,))


def _different(size: tuple[int, int], spec: InputSpec) -> int:
    drawn = _blocks(size)
    picture = (drawn * _WHITE)[..., None].astype(np.uint8)
    logits = prepare([picture], spec).astype(np.float32) - _MIDDLE
    output = OutputSpec("", "logits", logits.shape, "float32")
    [mask] = labels_from(logits, output, [size], _CLASSES, spec)
    return int((mask != _seen(drawn, spec)).sum())


def _blocks(size: tuple[int, int]) -> NDArray[np.uint8]:
    draw = np.random.default_rng(3)
    counts = [-(-side // _BLOCK) for side in size]
    small = draw.integers(0, _CLASSES, counts, np.uint8)
    return small.repeat(_BLOCK, 0).repeat(_BLOCK, 1)[: size[0], : size[1]]


def _seen(drawn: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    """Return the mask that must come back: what a crop leaves out has no class."""
    placed = place((drawn.shape[0], drawn.shape[1]), spec)
    expected = np.full_like(drawn, unseen_label(_CLASSES))
    seen = placed.rows.seen, placed.columns.seen
    expected[seen] = drawn[seen]
    return expected
