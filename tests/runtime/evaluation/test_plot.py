"""An evaluation as pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.runtime.evaluation import Evaluation, Score
from segpp.runtime.evaluation.confusion_matrix import ConfusionMatrix
from segpp.runtime.evaluation.plot import draw_confusion, draw_iou
from segpp.runtime.evaluation.report import EvaluationReport

pytest.importorskip("matplotlib", reason="matplotlib (segpp[plot]) draws")


def report(classes: tuple[str, ...], models: int = 1) -> EvaluationReport:
    """Models that are right on the diagonal and take every class for the next now and then."""
    count = len(classes)
    matrix = 9 * np.eye(count, dtype=np.int64) + np.roll(np.eye(count, dtype=np.int64), 1, 1)
    score = Score(ConfusionMatrix(matrix, frozenset()), 1.0, 1.0)
    names = tuple(f"model {i}" for i in range(models))
    return EvaluationReport(Evaluation((score,) * models, 2, ()), names, classes, frozenset())


def ink(path: Path) -> set[object]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.info["Software"] == "segpp"
        return {color for _, color in image.convert("RGB").getcolors(1 << 24)}


def test_bars_stand_side_by_side_in_a_colour_for_each_model(tmp_path: Path) -> None:
    draw_iou(report(("a", "b", "c"), models=2), tmp_path / "iou.part")

    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)} <= ink(tmp_path / "iou.part")


@pytest.mark.parametrize("models", [1, 2, 3])
def test_every_model_has_its_matrix(tmp_path: Path, models: int) -> None:
    draw_confusion(report(("a", "b"), models), tmp_path / "taken.png")

    assert len(ink(tmp_path / "taken.png")) > 10


@pytest.mark.parametrize("draw", [draw_confusion, draw_iou])
@pytest.mark.parametrize("name", ["a$b^$c", r"\frac{", "道路", "\x1b[31m", "x" * 500, "$", ""])
def test_a_name_is_no_formula_and_breaks_nothing(draw: object, name: str, tmp_path: Path) -> None:
    draw(report((name, "road")), tmp_path / "a.png")  # type: ignore[operator]  # one of two functions

    assert ink(tmp_path / "a.png")


@pytest.mark.parametrize("draw", [draw_confusion, draw_iou])
def test_many_classes_still_make_a_picture_that_opens(draw: object, tmp_path: Path) -> None:
    draw(report(tuple(map(str, range(150)))), tmp_path / "a.png")  # type: ignore[operator]  # as above

    with Image.open(tmp_path / "a.png") as image:
        assert max(image.size) <= 10_000


def test_classes_that_occur_nowhere_have_no_row(tmp_path: Path) -> None:
    matrix = np.diag([5, 0, 5]).astype(np.int64)
    score = Score(ConfusionMatrix(matrix, frozenset()), 1.0, 1.0)
    found = EvaluationReport(Evaluation((score,), 1, ()), ("m",), ("a", "b", "c"), frozenset())

    draw_confusion(found, tmp_path / "a.png")

    assert found.present == [0, 2]
