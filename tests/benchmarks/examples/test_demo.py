"""The demonstration: what it measures is what it prints, and it stops where a command fails.

``make demo`` runs the whole of it; here are the parts that it cannot show.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from examples.demo import commands
from examples.demo.__main__ import main
from examples.demo.measure import Measured
from examples.demo.report import render
from segpp.errors import CheckError, MissingError

PLAIN = Measured(
    file=Path("demo/b0.onnx"),
    merged=0.0,
    network_ms=90.0,
    latency_ms=100.0,
    agreement=1.0,
    miou=0.8,
    setting="library, 2 threads",
)


def test_speed_up_is_the_ratio_of_the_latencies_to_the_first_file() -> None:
    merged = replace(PLAIN, file=Path("demo/merged.onnx"), merged=0.5, latency_ms=80.0)

    rows = [line.split() for line in render([PLAIN, merged]).splitlines()[1:3]]

    assert rows[0] == ["b0.onnx", "0%", "90", "ms", "100", "ms", "x1.00", "100.00%", "80.00%"]
    assert rows[1] == ["merged.onnx", "50%", "90", "ms", "80", "ms", "x1.25", "100.00%", "80.00%"]


def test_a_command_is_shown_as_it_could_be_typed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckError, match=r"^segpp-run ended with exit code 2$"):
        commands.run_command("segpp-run", "a b.onnx", "street.png", "--out", "x.png")

    told = capfd.readouterr()
    assert told.out.strip() == "$ segpp-run 'a b.onnx' street.png --out x.png"
    assert told.err.startswith("error: ")


def test_a_command_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(MissingError, match="segpp-export is not installed in this environment"):
        commands.run_command("segpp-export")


def test_without_a_checkpoint_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, out = tmp_path / "none.pth", tmp_path / "demo"

    code = main(["--checkpoint", str(missing), "--out", str(out)])

    assert code == 2
    assert f"error: checkpoint {missing} does not exist" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("rounds", ["0", "-1", "many"])
def test_rounds_that_measure_nothing_are_refused(
    rounds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--rounds", rounds])

    assert ended.value.code == 2
    assert "argument --rounds: invalid" in capsys.readouterr().err
