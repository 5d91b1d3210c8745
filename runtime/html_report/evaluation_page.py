"""An evaluation as a page: the scores, what is taken for what, and the worst images."""

import math
from collections.abc import Sequence
from pathlib import Path

from segpp import __version__
from segpp.runtime.evaluation.report import EvaluationReport
from segpp.runtime.html_report.markup import Html, join, tag
from segpp.runtime.html_report.page import (
    data_table,
    figure,
    grid,
    page,
    section,
    swatch,
    write_page,
)

__all__ = ["write_evaluation_page"]

# A wider matrix is looked at as a picture (--confusion).
_MOST_CLASSES = 40
_MOST_SKIPPED = 200
_LEAST_PERCENT = 0.5


def write_evaluation_page(path: Path, report: EvaluationReport) -> None:
    """Write the page of an evaluation.

    Raises:
        OutputError: It cannot be written.
    """
    title = f"Evaluation of {', '.join(report.models)}"
    content = [_facts(report), _models(report), _classes(report), *_matrices(report)]
    write_page(path, page(title, *content, *_worst(report), *_skipped(report.evaluation.skipped)))


def _facts(report: EvaluationReport) -> Html:
    paragraphs = [f"{report.counts()}; scores in percent", *report.notes]
    versions = "; ".join([f"segpp {__version__}", *dict.fromkeys(report.backends)])
    return join(*(tag("p", text) for text in paragraphs), tag("p", versions, class_="faint"))


def _models(report: EvaluationReport) -> Html:
    rows = [
        (
            name,
            _percent(score.confusion.miou),
            _percent(score.confusion.pixel_accuracy),
            _percent(score.agreement),
            f"{report.evaluation.images / max(score.seconds, 1e-9):.2f}",
            fit or "-",
        )
        for name, fit, score in report.scored()
    ]
    heading = ("model", "mIoU", "pixel accuracy", "agreement", "images/s", "fit")
    return section("Models", data_table(heading, rows))


def _classes(report: EvaluationReport) -> Html:
    ious = [score.confusion.iou.tolist() for score in report.evaluation.scores]
    counts = report.evaluation.scores[0].confusion.matrix.sum(1)
    shares = (counts / max(counts.sum(), 1)).tolist()
    rows = [
        (
            join(*_color(report, i), report.classes[i]),
            _percent(shares[i]),
            *(_bar(iou[i]) for iou in ious),
        )
        for i in report.present
    ]
    heading = ("class", "pixels", *(f"IoU {name}" for name in report.models))
    return section("Classes", data_table(heading, rows))


def _color(report: EvaluationReport, number: int) -> list[Html]:
    return [swatch(report.palette[number])] if number < len(report.palette) else []


def _bar(value: float) -> Html:
    if math.isnan(value):
        return tag("span", "-")
    track = tag("span", tag("span", style=f"width: {100 * value:.1f}%"), class_="track")
    return join(_percent(value), track)


def _matrices(report: EvaluationReport) -> list[Html]:
    if len(report.present) > _MOST_CLASSES:
        return []
    said = tag("p", "Rows: true classes, each 100 %; columns: what they were taken for.")
    tables = [join(tag("h3", name), _matrix(report, i)) for i, name in enumerate(report.models)]
    return [section("What was taken for what", said, *tables)]


def _matrix(report: EvaluationReport, model: int) -> Html:
    present, matrix = report.present, report.evaluation.scores[model].confusion.matrix
    heading = ("", *(report.classes[i] for i in present))
    rows = []
    for i in present:
        total = max(int(matrix[i].sum()), 1)
        rows.append([report.classes[i], *(_share(int(matrix[i, j]) / total) for j in present)])
    return data_table(heading, rows, class_="matrix")


def _share(value: float) -> Html:
    text = f"{100 * value:.0f}" if 100 * value >= _LEAST_PERCENT else ""
    # Never opaque: the ink of both schemes is to be read on it.
    return tag("td", text, style=f"background: rgba(0, 114, 178, {0.6 * value:.2f})")


def _worst(report: EvaluationReport) -> list[Html]:
    parts = []
    for one in report.worst:
        pairs = zip(report.models, one.accuracies, strict=True)
        scores = ", ".join(f"{name} {_percent(value)} %" for name, value in pairs)
        figures = [figure(address, caption) for caption, address in one.pictures]
        parts.append(join(tag("h3", f"{one.name}: {scores}"), grid(figures)))
    said = tag(
        "p", "By pixel accuracy, the worst first; errors are counted pixels of a wrong class."
    )
    return [section("Worst images", said, *parts)] if parts else []


def _skipped(problems: Sequence[str]) -> list[Html]:
    items = [tag("li", problem) for problem in problems[:_MOST_SKIPPED]]
    return [section("Skipped", tag("ul", *items))] if items else []


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"
