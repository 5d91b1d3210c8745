"""What a network gives, as labels at full resolution, without full-resolution logits.

Bilinear interpolation lies between its four corners. Hence a class that is the best at all four
is the best everywhere in the cell, and a class whose highest corner stays below the highest of
all lowest corners wins nowhere in it. Only cells whose corners disagree are interpolated, for
the classes that can win there. Both arguments hold for the rounded numbers too, because every
step of the interpolation is monotone; only exact ties may fall to another class.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import CheckError, InputError
from segpp.images.fit import Placement, Span, place, unseen_label
from segpp.manifest import TENSOR_DIMENSIONS, InputSpec, OutputSpec

__all__ = [
    "UINT8_CLASSES",
    "best_class",
    "check_finite",
    "check_no_probabilities",
    "labels_from",
    "planes_first",
    "resize_argmax",
    "resize_labels",
    "resize_values",
    "resized_planes",
]

Floats = NDArray[np.float32]

UINT8_CLASSES = 256  # as many labels fit into uint8
# Masks are written with 16 bits, of which the last number stands for -1.
_MOST_LABELS = (1 << 16) - 1
_NO_LABEL = -1
# Interpolated values held at a time: half a megabyte of float32 stays in the second-level cache.
_STRIP_VALUES = 1 << 17


def labels_from(
    raw: NDArray[Any],
    output: OutputSpec,
    sizes: Sequence[tuple[int, int]],
    classes: int,
    spec: InputSpec | None = None,
    *,
    pictures: Sequence[tuple[int, int]] | None = None,
) -> tuple[NDArray[Any], ...]:
    """Return the labels (H, W) of each image.

    Args:
        raw: The network's output, a batch; it may hold padding after the last image.
        output: What it is, logits or labels.
        sizes: Height and width of each image's labels.
        classes: How many the network has.
        spec: How the images became the input; without it each filled the whole. What a crop leaves
            out gets ``unseen_label``.
        pictures: Height and width of each image, where its labels are of another size.

    Raises:
        CheckError: The logits hold infinities or not-a-numbers.
    """
    if output.kind == "logits":
        check_finite(raw)
    raw = planes_first(raw, output)
    is_placed = spec is not None and spec.fit != "stretch"
    # Where a picture lies depends on its own size alone; rounding another one would move it.
    placed = [
        place(own, spec).sampled(size) if is_placed and spec else None
        for own, size in zip(pictures or sizes, sizes, strict=True)
    ]
    return tuple(
        _labels_of(one, output, size, classes, where)
        for one, size, where in zip(raw, sizes, placed, strict=False)
    )


def _labels_of(
    one: NDArray[Any],
    output: OutputSpec,
    size: tuple[int, int],
    classes: int,
    placed: Placement | None,
) -> NDArray[Any]:
    if output.kind == "labels":
        labels = resize_labels(_as_labels(one, classes), size, placed)
    else:
        corners = output.align_corners
        labels = resize_argmax(one[None], size, align_corners=corners, placed=placed)[0]
    return labels if placed is None or not placed.is_cut else _hide(labels, placed, classes)


def _hide(labels: NDArray[Any], placed: Placement, classes: int) -> NDArray[Any]:
    """Return labels (H, W) without a class where the network did not see the picture."""
    unseen = unseen_label(classes)
    seen = placed.rows.seen, placed.columns.seen
    hidden = np.full(labels.shape, unseen, labels.dtype if unseen >= 0 else np.int32)
    hidden[seen] = labels[seen]
    return hidden


def planes_first(raw: NDArray[Any], output: OutputSpec) -> NDArray[Any]:
    """Return an output as logits (B, K, h, w) or labels (B, H, W), wherever its channels are."""
    if raw.ndim != TENSOR_DIMENSIONS:
        return raw
    planes = raw.transpose(0, 3, 1, 2) if output.layout == "NHWC" else raw
    return planes[:, 0] if output.kind == "labels" else planes


def resize_argmax(
    logits: NDArray[Any],
    size: tuple[int, int],
    *,
    align_corners: bool = False,
    placed: Placement | None = None,
) -> NDArray[Any]:
    """Return the best class of every pixel of the bilinearly resized logits.

    The same as resizing all logits and taking the argmax (lowest class on ties), except where
    the two best differ by less than 8 * 2^-24 of the largest corner: there rounding decides.
    Not-a-number never wins. A single channel is the logit of a sigmoid: label 1 where it is above
    0, else 0.

    Args:
        logits: (B, K, h, w), any float type; computed in float32.
        size: Height and width of the labels.
        align_corners: Map corner pixels onto corner pixels, as ``torch`` does under that name.
        placed: Where the picture of ``size`` lies in the network's input, whose logits these are;
            by default it fills it.

    Returns:
        Labels (B, H, W), uint8 up to 256 classes, else int32.
    """
    if logits.ndim != 4 or 0 in logits.shape or min(size) < 1:  # noqa: PLR2004 - (B, K, h, w)
        raise InputError(f"logits {logits.shape} cannot be resized to {tuple(size)}")
    kind = np.uint8 if logits.shape[1] <= UINT8_CLASSES else np.int32
    labels = np.empty((len(logits), *size), kind)
    rows, columns = _axes(logits.shape[2:], size, placed, align_corners=align_corners)
    for image, out in zip(logits, labels, strict=True):
        values = image.astype(np.float32, copy=False)
        _fill(_with_background(values) if len(values) == 1 else values, rows, columns, out)
    return labels


def _with_background(logit: Floats) -> Floats:
    # The sigmoid of one logit is the softmax of it and 0: above 0.5 where the logit is above 0.
    return np.concatenate([np.zeros_like(logit), logit])


def resize_values(
    values: NDArray[Any],
    size: tuple[int, int],
    *,
    align_corners: bool = False,
    placed: Placement | None = None,
) -> Floats:
    """Return values (h, w) resized bilinearly to (H, W), as ``resize_argmax`` resizes logits."""
    rows, columns = _axes(values.shape, size, placed, align_corners=align_corners)
    kept = values.astype(np.float32, copy=False)
    across = _between(kept[:, columns.low], kept[:, columns.high], columns.weight)
    return _between(across[rows.low], across[rows.high], rows.weight[:, None])


def resize_labels(
    labels: NDArray[Any], size: tuple[int, int], placed: Placement | None = None
) -> NDArray[Any]:
    """Return labels (H, W) at another size, each pixel from the nearest (half-pixel centres).

    Args:
        labels: Class numbers (h, w).
        size: Height and width wanted.
        placed: As in ``resize_argmax``.
    """
    if placed is not None:
        rows = _nearest(labels.shape[0], placed.rows)
        columns = _nearest(labels.shape[1], placed.columns)
    elif labels.shape == tuple(size):
        return labels
    else:
        rows = ((np.arange(size[0]) + 0.5) * labels.shape[0] / size[0]).astype(np.intp)
        columns = ((np.arange(size[1]) + 0.5) * labels.shape[1] / size[1]).astype(np.intp)
    # Axis by axis: both at once takes eight times as long.
    resized: NDArray[Any] = labels.take(columns, axis=1).take(rows, axis=0)
    return resized


def resized_planes(
    logits: NDArray[Any], placed: Placement, *, align_corners: bool = False
) -> Iterator[Floats]:
    """Yield class by class the logits (K, h, w) at every pixel (H, W) of a placed picture."""
    size = placed.rows.picture, placed.columns.picture
    for plane in logits:
        yield resize_values(plane, size, align_corners=align_corners, placed=placed)


def best_class(logits: Floats) -> NDArray[Any]:
    """Return the best class (h, w) of logits (K, h, w), the lowest on ties; 1 of one if above 0."""
    planes = _with_background(logits) if len(logits) == 1 else logits
    return _argmax(planes, np.uint8 if len(logits) <= UINT8_CLASSES else np.int32)


def check_finite(logits: NDArray[Any]) -> None:
    """Raise CheckError for logits with infinities or not-a-numbers."""
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(logits.sum(dtype=np.float64)):
            return
    share = 1 - np.isfinite(logits).mean()
    raise CheckError(
        f"{share:.2%} of the network's logits are infinite or not a number",
        hint="in FP16 this is an overflow; export it in FP32 and compare",
    )


def check_no_probabilities(logits: NDArray[Any], output: OutputSpec) -> None:
    """Raise CheckError for logits of one channel that are all from 0 to 1: cut at 0, all were 1."""
    if logits.min() >= 0.0 and logits.max() <= 1.0 and logits.max() > 0.0:
        raise CheckError(
            f"every value of the network's output {output.name} lies between 0 and 1",
            "one channel is expected to be a logit, which is cut at 0; these look like "
            "probabilities or classes",
            hint="export the network without its last operator",
        )


def _axes(
    counts: tuple[int, ...],
    size: tuple[int, int],
    placed: Placement | None,
    *,
    align_corners: bool,
) -> "tuple[_Axis, _Axis]":
    spans = (None, None) if placed is None else (placed.rows, placed.columns)
    rows, columns = (
        _axis(count, wanted, align_corners=align_corners)
        if span is None
        else _axis_through(count, span, align_corners=align_corners)
        for count, wanted, span in zip(counts, size, spans, strict=True)
    )
    return rows, columns


@dataclass(frozen=True)
class _Axis:
    """For every output index along one axis: the two inputs around it and the upper's weight."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    weight: Floats


def _axis(count: int, wanted: int, *, align_corners: bool) -> _Axis:
    index = np.arange(wanted, dtype=np.float64)
    if align_corners:
        position = index * ((count - 1) / (wanted - 1) if wanted > 1 else 0.0)
    else:
        position = np.maximum((index + 0.5) * (count / wanted) - 0.5, 0.0)
    return _around(position, count)


def _axis_through(count: int, span: Span, *, align_corners: bool) -> _Axis:
    """Return the axis of a picture that lies somewhere in the network's input.

    Logits whose centre lies in the padding are not looked at, as there are none beyond an edge.
    """
    if align_corners:
        scale = (count - 1) / (span.network - 1) if span.network > 1 else 0.0
        shift = -0.5 * scale
    else:
        scale, shift = count / span.network, -0.5
    edges = span.start * scale + shift, (span.start + span.content) * scale + shift
    lowest, highest = max(0, ceil(edges[0])), min(count - 1, floor(edges[1]))
    if lowest > highest:
        # A picture thinner than a logit lies between two.
        lowest, highest = 0, count - 1
    return _around((span.centers * scale + shift).clip(lowest, highest), count)


def _nearest(count: int, span: Span) -> NDArray[np.intp]:
    nearest: NDArray[np.intp] = np.floor(span.centers * (count / span.network)).astype(np.intp)
    return nearest.clip(0, count - 1)


def _around(position: NDArray[np.float64], count: int) -> _Axis:
    low = np.minimum(position.astype(np.intp), count - 1)
    return _Axis(low, np.minimum(low + 1, count - 1), (position - low).astype(np.float32))


def _fill(logits: Floats, rows: _Axis, columns: _Axis, out: NDArray[Any]) -> None:
    """Write the labels of one image: logits (K, h, w), out (H, W)."""
    best = _argmax(logits, out.dtype)
    agreed = _corners_agree(best)
    starts = np.flatnonzero(np.diff(rows.low, prepend=-1))
    for first, after in zip(starts, [*starts[1:], len(out)], strict=True):
        low = rows.low[first]
        out[first:after] = best[low, columns.low]
        mixed = np.flatnonzero(~agreed[low, columns.low])
        if mixed.size:
            pair = logits[:, low], logits[:, rows.high[first]]
            weights = rows.weight[first:after]
            out[first:after, mixed] = _strip(*pair, weights, _take(columns, mixed), out.dtype)


def _strip(  # the output rows between two rows of logits, at the columns that need it
    top: Floats, bottom: Floats, weights: Floats, columns: _Axis, kind: Any
) -> NDArray[Any]:
    corners = [
        row.take(side, axis=1) for row in (top, bottom) for side in (columns.low, columns.high)
    ]
    alive = _can_win(corners)
    corners = [corner[alive] for corner in corners]
    upper = _between(corners[0], corners[1], columns.weight)
    lower = _between(corners[2], corners[3], columns.weight)
    labels = np.empty((len(weights), columns.weight.size), kind)
    step = max(1, _STRIP_VALUES // upper.size)
    for start in range(0, len(weights), step):
        weight = weights[start : start + step, None]
        labels[start : start + step] = _argmax_between(upper, lower, weight, alive, kind)
    return labels


def _argmax_between(
    upper: Floats, lower: Floats, weight: Floats, classes: NDArray[np.intp], kind: Any
) -> NDArray[Any]:
    """Return for rows at ``weight`` (R, 1) between two rows (K', n) the best of ``classes``."""
    best = np.full((len(weight), upper.shape[1]), -np.inf, np.float32)
    value, part, won = np.empty_like(best), np.empty_like(best), np.empty(best.shape, bool)
    labels = np.zeros(best.shape, kind)
    rest = np.float32(1) - weight
    for number, above, below in zip(classes, upper, lower, strict=True):
        np.multiply(above, rest, out=value)
        np.multiply(below, weight, out=part)
        np.add(value, part, out=value)
        np.greater(value, best, out=won)
        np.fmax(best, value, out=best)
        _write_where(won, number, labels)
    return labels


def _argmax(logits: Floats, kind: Any) -> NDArray[Any]:
    """Return the best class (h, w) of logits (K, h, w), the lowest on ties."""
    best = np.full(logits.shape[1:], -np.inf, np.float32)
    labels, won = np.zeros(best.shape, kind), np.empty(best.shape, bool)
    for number, value in enumerate(logits):
        np.greater(value, best, out=won)
        np.fmax(best, value, out=best)
        _write_where(won, number, labels)
    return labels


def _write_where(won: NDArray[np.bool_], number: Any, labels: NDArray[Any]) -> None:
    # Class numbers rise, so a maximum does what a masked write would, several times faster.
    np.maximum(labels, won * labels.dtype.type(number), out=labels)


def _corners_agree(best: NDArray[Any]) -> NDArray[np.bool_]:
    """Return for every cell (named by its top left corner) whether its corners are one class."""
    right = np.concatenate([best[:, 1:], best[:, -1:]], axis=1)
    below = np.concatenate([best[1:], best[-1:]])
    across = np.concatenate([right[1:], right[-1:]])
    agree: NDArray[np.bool_] = (best == right) & (best == below) & (best == across)
    return agree


def _can_win(corners: list[Floats]) -> NDArray[np.intp]:
    """Return the classes that can be the best somewhere in some cell; corners are 4 of (K, n)."""
    lowest = np.minimum.reduce(corners).max(axis=0)
    if np.isnan(lowest).any():
        # Not-a-number never wins, but it must not make others lose either.
        return np.arange(len(corners[0]))
    return np.flatnonzero((np.maximum.reduce(corners) >= lowest).any(axis=1))


def _between(left: Floats, right: Floats, weight: Floats) -> Floats:
    result: Floats = left * (np.float32(1) - weight)
    result += right * weight
    return result


def _take(axis: _Axis, chosen: NDArray[np.intp]) -> _Axis:
    return _Axis(axis.low[chosen], axis.high[chosen], axis.weight[chosen])


def _as_labels(raw: NDArray[Any], classes: int) -> NDArray[Any]:
    # TensorRT plugins cannot give uint8, so our files give the same bits as int8.
    labels = raw.view(np.uint8) if raw.dtype == np.int8 else raw
    for extreme in (int(labels.min()), int(labels.max())):
        if not _NO_LABEL <= extreme < _MOST_LABELS:
            raise CheckError(
                f"the network gives the class {extreme}",
                f"masks hold 0 to {_MOST_LABELS - 1}, and {_NO_LABEL} for no class",
                hint="if the output is no mask, choose another one: --output-name",
            )
    small = classes <= UINT8_CLASSES and labels.min() >= 0 and labels.max() < UINT8_CLASSES
    return labels.astype(np.uint8 if small else np.int32, copy=False)
