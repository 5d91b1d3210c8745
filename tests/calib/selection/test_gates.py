"""Every gate that a file does not pass is told."""

from pathlib import Path

import pytest

from segpp.calib.config import CalibrationConfig
from segpp.calib.selection.costs import PartGain
from segpp.calib.selection.gates import failed_gates, no_help
from segpp.errors import CheckError
from segpp.manifest import CalibrationDrop

DROP = CalibrationDrop("mIoU", 60.0, 59.0, 0.5, 1.5, (), 20)
FASTER = {"float": 10.0, "int8": 9.0}


def failures(
    agreement: float = 0.99, max_drop: float | None = None, **times: float
) -> list[CheckError]:
    config = CalibrationConfig(Path("a.onnx"), Path("b.onnx"), ("c",), max_drop=max_drop)
    return list(failed_gates(config, agreement, DROP, times, "an engine"))


@pytest.mark.parametrize(
    ("problem", "given"),
    [
        ("masks agree with the float ones on 0.96000 of the pixels", {"agreement": 0.96}),
        ("loses 1.00 points of mIoU", {"max_drop": 0.9}),
        ("with an engine it is not faster than float", {"float": 10.0, "int8": 10.0}),
    ],
)
def test_a_gate_that_is_not_passed_is_told(problem: str, given: dict[str, float]) -> None:
    [failure] = failures(**given)

    assert problem in failure.problem
    assert failure.facts
    assert failure.hint


def test_at_its_limits_a_file_passes() -> None:
    assert failures(0.97, 1.0, **FASTER) == []
    assert failures() == []


def test_all_gates_are_told_at_once() -> None:
    assert len(failures(0.5, 0.5, float=1.0, int8=2.0)) == 3


def test_where_nothing_is_int8_the_reasons_are_counted_and_times_told() -> None:
    floats = {"a": "asked for", "b": "asked for", "c": "the first convolution"}

    told = str(no_help(floats, [PartGain("head 1", 10.0, 11.0)], "an engine"))

    assert "2 of them: asked for\n  1 of them: the first convolution\n" in told
    assert "head 1: 10.0 ms, 11.0 with it in INT8" in told
