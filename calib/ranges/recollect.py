"""Ranges of a network whose channels were scaled, from those that it had before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray

from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.sets import spread
from segpp.calib.ranges.collect import collect_ranges
from segpp.calib.ranges.file import Ranges
from segpp.calib.ranges.statistics import TensorStatistics
from segpp.manifest import Manifest

__all__ = ["FEW_PICTURES", "recollect", "rescaled"]

Floats = NDArray[np.float32]

# A histogram of 256 places of each has every shape that matters; extremes come from all pictures.
FEW_PICTURES = 16


def recollect(
    model: onnx.ModelProto,
    manifest: Manifest,
    axes: Mapping[str, int],
    pictures: Sequence[Picture],
    ranges: Ranges,
    *,
    factors: Mapping[str, Floats],
    threads: int | None = None,
) -> Ranges:
    """Return the ranges of a network after channels were scaled.

    What is known of single channels is scaled with them. Histograms are of all channels together,
    so those are collected anew, on ``FEW_PICTURES`` of the pictures.

    Args:
        model: The network as it is now.
        manifest: Of it.
        axes: For every tensor that changed the axis of its channels; others may be there too.
        pictures: At least one.
        ranges: Of the network as it was.
        factors: For every tensor that changed what its channels were multiplied by, (C,).
        threads: CPU threads.
    """
    if not factors:
        return ranges
    wanted = {name: axes[name] for name in factors}
    seen = collect_ranges(model, manifest, wanted, spread(pictures, FEW_PICTURES), threads=threads)
    changed = {
        name: rescaled(ranges.tensors[name], factor, seen.tensors[name])
        for name, factor in factors.items()
    }
    return replace(ranges, tensors={**ranges.tensors, **changed})


def rescaled(before: TensorStatistics, factor: Floats, seen: TensorStatistics) -> TensorStatistics:
    """Return what is known of a tensor whose channels were multiplied by factors above 0.

    Args:
        before: Of the tensor as it was.
        factor: Of each channel, (C,).
        seen: Of the tensor as it is, on some pictures: gives the histogram.
    """
    return replace(
        before,
        low=before.low * factor,
        high=before.high * factor,
        mean=before.mean * factor,
        histogram=seen.histogram,
    )
