"""What a network gives, as class numbers at each image's own size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import CheckError
from segpp.images.postprocess import UINT8_CLASSES, resize_argmax, resize_labels
from segpp.manifest import OutputSpec

__all__ = ["labels_from"]


def labels_from(
    raw: NDArray[Any], output: OutputSpec, sizes: Sequence[tuple[int, int]], classes: int
) -> tuple[NDArray[Any], ...]:
    """Return the labels (H, W) of each image.

    Args:
        raw: The network's output, a batch; it may hold padding after the last image.
        output: What it is, logits or labels.
        sizes: Height and width of each image.
        classes: How many the network has.

    Raises:
        CheckError: The logits hold infinities or not-a-numbers.
    """
    images = zip(raw, sizes, strict=False)
    if output.kind == "labels":
        return tuple(resize_labels(_as_labels(one, classes), size) for one, size in images)
    _check_finite(raw)
    return tuple(
        resize_argmax(one[None], size, align_corners=output.align_corners)[0]
        for one, size in images
    )


def _as_labels(raw: NDArray[Any], classes: int) -> NDArray[Any]:
    # TensorRT plugins cannot give uint8, so our files give the same bits as int8.
    labels = raw.view(np.uint8) if raw.dtype == np.int8 else raw
    small = classes <= UINT8_CLASSES and labels.min() >= 0 and labels.max() < UINT8_CLASSES
    return labels.astype(np.uint8 if small else np.int32, copy=False)


def _check_finite(logits: NDArray[Any]) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(logits.sum(dtype=np.float64)):
            return
    share = 1 - np.isfinite(logits).mean()
    raise CheckError(
        f"{share:.2%} of the network's logits are infinite or not a number",
        hint="in FP16 this is an overflow; export it in FP32 and compare",
    )
