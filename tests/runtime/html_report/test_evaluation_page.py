"""The page of an evaluation: its scores are those of the report, its names stay names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segpp import __version__
from segpp.runtime.evaluation import Evaluation, Score
from segpp.runtime.evaluation.confusion_matrix import ConfusionMatrix
from segpp.runtime.evaluation.report import EvaluationReport
from segpp.runtime.evaluation.worst import WorstImage
from segpp.runtime.html_report.evaluation_page import write_evaluation_page
from tests.helpers.reports.html_reader import HOSTILE, Reader, read

# Of class 0 three pixels of four are right, of class 1 all six.
SCORE = Score(ConfusionMatrix(np.array([[3, 1], [0, 6]]), frozenset()), 1.0, 2.0)


def report(name: str = "road", skipped: tuple[str, ...] = ()) -> EvaluationReport:
    worst = WorstImage(name, (0.5,), (("input", "data:,"), (f"prediction of {name}", "data:,")))
    return EvaluationReport(
        Evaluation((SCORE,), 4, skipped),
        models=(name,),
        classes=("sky", name),
        ignored=frozenset(),
        notes=(f"a note on {name}",),
        palette=((1, 2, 3), (4, 5, 6)),
        worst=(worst,),
    )


def written(tmp_path: Path, found: EvaluationReport) -> Reader:
    write_evaluation_page(tmp_path / "a.html", found)
    return read((tmp_path / "a.html").read_text(encoding="utf-8"))


def test_the_scores_are_those_of_the_report(tmp_path: Path) -> None:
    found = written(tmp_path, report())

    # IoU: 3 of 4 and 6 of 7.
    assert "4 images, 10 labelled pixels" in found.text
    assert "sky40.0075.00" in found.text
    assert "road60.0085.71" in found.text
    # The row of class 0: three quarters and one.
    assert "sky7525" in found.text
    assert "road: road 50.00 %" in found.text


def test_it_tells_what_was_ignored_how_pictures_were_fitted_and_what_ran(tmp_path: Path) -> None:
    found = replace(report(), fits=("letterbox",), backends=("onnxruntime 1.2 (cpu)",))
    found = replace(found, evaluation=replace(found.evaluation, ignored_pixels=30))

    text = written(tmp_path, found).text

    assert "4 images, 10 labelled pixels, 30 ignored (75.0%)" in text
    assert "fit" in text
    assert "2.00letterbox" in text
    assert f"segpp {__version__}; onnxruntime 1.2 (cpu)" in text


def test_bars_are_as_long_as_the_iou_and_colours_those_of_the_palette(tmp_path: Path) -> None:
    styles = [words.get("style") for _, words in written(tmp_path, report()).elements]

    assert {"width: 75.0%", "width: 85.7%"} <= set(styles)
    assert {"background: rgb(1, 2, 3)", "background: rgb(4, 5, 6)"} <= set(styles)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_models_classes_and_images_stay_text(tmp_path: Path, name: str) -> None:
    found = written(tmp_path, report(name, skipped=(f"{name} is damaged",)))

    elements = {element for element, _ in found.elements}
    assert not elements & {"script", "b", "a", "iframe", "svg"}
    assert sum(element == "img" for element, _ in found.elements) == 2
    assert not any(word.startswith("on") for _, words in found.elements for word in words)
    assert f"{name} is damaged" in found.text
    assert f"a note on {name}" in found.text


def test_a_matrix_too_wide_to_read_is_left_out(tmp_path: Path) -> None:
    matrix = ConfusionMatrix(np.eye(150, dtype=np.int64), frozenset())
    found = EvaluationReport(
        Evaluation((Score(matrix, 1.0, 1.0),), 1, ()),
        ("m",),
        tuple(map(str, range(150))),
        frozenset(),
    )

    assert "What was taken for what" not in written(tmp_path, found).text
