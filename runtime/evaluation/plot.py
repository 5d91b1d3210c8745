"""An evaluation as pictures: which class is taken for which, and the IoU of each."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.runtime.benchmark.plot import check_plotting
from segpp.runtime.evaluation.report import EvaluationReport

__all__ = ["draw_confusion", "draw_iou"]

# Okabe and Ito's palette: told apart by people who see colours differently.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#999999")
_DPI = 150
_LONGEST = 26
# More numbers than this would be too small to read, or make a picture too large to open.
_MOST_NUMBERS, _MOST_LABELS = 30, 60
_MATRIX_INCHES = (3.2, 14.0)
_INCHES_PER_CLASS = 0.36
_PALE = 0.55
_LEAST_PERCENT = 0.5


def draw_confusion(report: EvaluationReport, path: Path) -> None:
    """Write the confusion matrix of every model as PNG, whatever the file is called.

    A row is a true class and sums to 100 %; classes that occur nowhere are left out.

    Raises:
        MissingError: The package matplotlib is not installed.
    """
    present, count = report.present, len(report.models)
    side = float(np.clip(_INCHES_PER_CLASS * len(present), *_MATRIX_INCHES))
    columns = min(count, 2)
    rows = -(-count // columns)
    figure = check_plotting()(
        figsize=(columns * (side + 2.2), rows * (side + 2.0)), layout="constrained"
    )
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.remove()
    for index, axes in enumerate(grid[:count]):
        _draw_matrix(report, index, present, axes)
    _save(figure, path)


def draw_iou(report: EvaluationReport, path: Path) -> None:
    """Write the IoU of every class as bars, the models side by side, as PNG.

    Raises:
        MissingError: The package matplotlib is not installed.
    """
    models, present = report.models, report.present
    ious = [score.confusion.iou for score in report.evaluation.scores]
    order = sorted(present, key=lambda number: _sortable(float(ious[0][number])))
    bar = 0.8 / len(models)
    height = min(1.4 + len(order) * (0.14 + 0.2 * len(models)), 60)
    figure = check_plotting()(figsize=(8, height), layout="constrained")
    axes = figure.subplots()
    for index, (name, iou) in enumerate(zip(models, ious, strict=True)):
        places = [row + 0.4 - bar * (index + 0.5) for row in range(len(order))]
        values = [0.0 if math.isnan(iou[i]) else 100 * float(iou[i]) for i in order]
        miou = 100 * report.evaluation.scores[index].confusion.miou
        label = f"{_plain(name)}: mIoU {miou:.1f} %"
        bars = axes.barh(places, values, bar, color=_COLORS[index % len(_COLORS)], label=label)
        texts = ["" if math.isnan(iou[i]) else f"{100 * iou[i]:.1f}" for i in order]
        axes.bar_label(bars, texts, padding=3, fontsize="x-small")
    axes.set_yticks(range(len(order)), [_plain(report.classes[i]) for i in order])
    axes.set(xlim=(0, 105), ylim=(-0.6, len(order) - 0.4), xlabel="IoU, percent")
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False, ncols=min(2, len(models))
    )
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def _sortable(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def _draw_matrix(report: EvaluationReport, index: int, present: list[int], axes: Any) -> None:
    counts = report.evaluation.scores[index].confusion.matrix[np.ix_(present, present)]
    percent = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    if len(present) <= _MOST_NUMBERS:
        _write_numbers(percent, axes)
    if len(present) <= _MOST_LABELS:
        names = [_plain(report.classes[i]) for i in present]
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize="small")
        axes.set_yticks(range(len(names)), names, fontsize="small")
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(f"{_plain(report.models[index])}: percent of each true class", fontsize="medium")
    axes.tick_params(length=0)


def _write_numbers(percent: NDArray[Any], axes: Any) -> None:
    """Write every share that is not nothing into its cell, white where the cell is dark."""
    for (row, column), value in np.ndenumerate(percent):
        if value >= _LEAST_PERCENT:
            color = "white" if value > 100 * _PALE else "black"
            place = {"ha": "center", "va": "center", "fontsize": "x-small"}
            axes.text(column, row, f"{value:.0f}", color=color, **place)


def _plain(name: str) -> str:
    """Return a name as it is: no formula, no control characters, no longer than can be placed."""
    clean = "".join(sign if sign.isprintable() else " " for sign in name)
    short = clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 1]}…"
    # Between two dollars matplotlib reads TeX.
    return short.replace("$", r"\$")


def _save(figure: Any, path: Path) -> None:
    with warnings.catch_warnings():
        # A script that the font lacks gives boxes and a warning for each of them.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        figure.savefig(path, format="png", dpi=_DPI, metadata={"Software": "segpp"})
