"""What the reference says of a picture: a class for every pixel, but for those too close to call.

Two correct computations round differently. Where the reference's two best classes lie closer than
that, either may win, and the pixel does not count. Equal logits go to the lower class.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.images.fit import place
from segpp.images.postprocess import labels_from, resize_argmax, resize_labels, resized_planes
from segpp.manifest import InputSpec, OutputSpec

__all__ = ["Expected", "expected_labels", "mask_output"]

Floats = NDArray[np.float32]
Labels = NDArray[Any]


@dataclass(frozen=True)
class Expected:
    """A picture's labels after the reference.

    Attributes:
        labels: Class numbers (H, W), as a session gives them.
        ties: The pixels (H, W) that do not count.
    """

    labels: Labels
    ties: NDArray[np.bool_]


def mask_output(outputs: tuple[OutputSpec, ...]) -> OutputSpec:
    """Return the output that masks are made of: ready labels if there are any, else logits."""
    return next((one for one in outputs if one.kind == "labels"), outputs[0])


def expected_labels(
    logits: Floats,
    output: OutputSpec,
    spec: InputSpec,
    *,
    size: tuple[int, int],
    classes: int,
    margin: float,
) -> Expected:
    """Return the labels that a session must give for a picture, from the reference's logits.

    Args:
        logits: (1, K, h, w) of the reference.
        output: Of the file, what its masks are made of.
        spec: How the picture became the input.
        size: Height and width of the picture.
        classes: How many the network has.
        margin: How close two logits may be for either class to be right.
    """
    corners = output.align_corners
    placed = place(size, spec)
    if output.kind == "logits":
        [labels] = labels_from(logits, output, [size], classes, spec)
        gaps = _gaps(resized_planes(logits[0], placed, align_corners=corners))
        return Expected(labels, gaps < margin)
    # The file makes labels at its input's size, and masks are taken from the nearest of those.
    whole = (spec.height, spec.width)
    full = resize_argmax(logits, whole, align_corners=corners)
    [labels] = labels_from(full, output, [size], classes, spec)
    inner = place(whole, replace(spec, fit="stretch"))
    gaps = _gaps(resized_planes(logits[0], inner, align_corners=corners))
    where = None if spec.fit == "stretch" else placed
    return Expected(labels, resize_labels(gaps < margin, size, where))


def _gaps(planes: Iterable[Floats]) -> Floats:
    """Return how far the best logit (H, W) is above the second best; of one, from 0."""
    best: Floats | None = None
    second: Floats | None = None
    for plane in planes:
        if best is None or second is None:
            best, second = plane, np.full_like(plane, -np.inf)
            continue
        second = np.maximum(second, np.minimum(best, plane))
        best = np.maximum(best, plane)
    if best is None or second is None:
        raise ValueError("there are no logits")
    gaps: Floats = np.abs(best) if np.isneginf(second).all() else best - second
    return gaps
