"""Scores as a table, as JSON and as CSV; ``segpp-eval`` tests them from the outside."""

import csv
import io
import json
from dataclasses import replace

import numpy as np

from segpp.runtime.evaluation import Evaluation, Score
from segpp.runtime.evaluation.confusion_matrix import ConfusionMatrix
from segpp.runtime.evaluation.report import EvaluationReport

# Class 2 occurs nowhere; IoU of the others: 2 of 3 and 1 of 2.
MATRIX = np.array([[2, 1, 0], [0, 1, 0], [0, 0, 0]])
SCORE = Score(ConfusionMatrix(MATRIX, frozenset({255})), agreement=1.0, seconds=2.0)
REPORT = EvaluationReport(
    Evaluation((SCORE,), images=4, skipped=(), ignored_pixels=12),
    ("b0",),
    ("road", "car", "sky"),
    frozenset({255}),
)


def test_a_class_that_occurs_nowhere_is_told_apart_and_not_listed() -> None:
    lines = REPORT.text().splitlines()

    assert lines[0] == "4 images, 4 labelled pixels, 12 ignored (75.0%); scores in percent"
    assert [line.split() for line in lines if line.startswith(("road", "car", "sky"))] == [
        ["road", "75.00", "66.67"],
        ["car", "25.00", "50.00"],
    ]
    assert lines[-1] == "neither labelled nor predicted: sky"


def test_what_is_no_number_is_null_in_json() -> None:
    [model] = json.loads(REPORT.json())["models"]

    assert model["iou"] == [2 / 3, 1 / 2, None]
    assert model["miou"] == (2 / 3 + 1 / 2) / 2
    assert model["images_per_second"] == 2.0


def test_csv_has_a_column_per_class() -> None:
    [row] = csv.DictReader(io.StringIO(REPORT.csv()))

    assert [row[f"iou {name}"] for name in ("road", "car", "sky")] == [str(2 / 3), "0.5", ""]


def test_names_made_to_harm_are_plain_text_in_a_csv_file() -> None:
    names = ("=1+1", "\x1b[2Jcar\n", "sky")
    report = replace(REPORT, models=("=cmd|' /C calc'!A0",), classes=names)

    text = report.csv()

    [row] = csv.DictReader(io.StringIO(text))
    assert row["model"] == "'=cmd|' /C calc'!A0"
    assert text.count("\n") == 2
    assert "\x1b" not in text
    assert r"iou \x1b[2Jcar\x0a" in row
