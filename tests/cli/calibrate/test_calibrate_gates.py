"""``segpp-calibrate`` where a gate is not passed: no file, and a report of what is at fault."""

import json
import re
from pathlib import Path

import pytest

from segpp.manifest import read_manifest
from segpp.utils.files import manifest_path
from tests.cli.calibrate.conftest import Command, calibrate


@pytest.mark.usefixtures("folder")
def test_a_file_below_its_gate_leaves_no_file_but_a_report_of_what_is_at_fault(
    segpp: Command,
) -> None:
    gates = ["--min-agreement", 1, "--max-drop", 50]
    done = calibrate(segpp, *gates, "--report", "r.json", "--plot", "p.png")

    assert done.returncode == 1
    assert re.search(r"agree with the float ones on 0\.\d{5} of the pixels\n", done.stderr)
    assert done.stderr.count("wrote r.json\nwrote p.png\n") == 1
    assert done.stdout.startswith("not written: b.int8.onnx\n")
    assert re.search(r"^stage 1 block 1 +2 of 2 +\d", done.stdout, re.MULTILINE)
    report = json.loads(Path("r.json").read_text())
    assert report["file"] is None
    assert report["failed"] == [re.search(r"error: (.*)", done.stderr)[1]]
    assert report["agreement"] < 1
    assert report["blocks"][1]["divergence"] > 0
    assert {path.name for path in Path().iterdir()} == {
        *("b.onnx", "b.onnx.json", "b.ranges.json", "pictures", "labels", "r.json", "p.png")
    }


@pytest.mark.usefixtures("folder")
def test_where_all_stays_float_the_report_says_so_and_claims_no_agreement(segpp: Command) -> None:
    kinds = [word for kind in ("fc1", "fc2", "head") for word in ("--keep-float", kind)]
    done = calibrate(segpp, *kinds, "--json", "--plot", "p.png")

    assert done.returncode == 1
    assert "error: INT8 does not help here: every product stays float\n" in done.stderr
    report = json.loads(done.stdout)
    assert report["failed"] == ["INT8 does not help here: every product stays float"]
    assert (report["agreement"], report["drop"], report["file"]) == (None, None, None)
    assert not Path("b.int8.onnx").exists()
    assert Path("p.png").exists()


@pytest.mark.usefixtures("folder")
def test_an_int8_file_that_stood_there_survives_a_gate(segpp: Command) -> None:
    calibrate(segpp)
    before = Path("b.int8.onnx").read_bytes(), manifest_path(Path("b.int8.onnx")).read_bytes()

    assert calibrate(segpp, "--min-agreement", 1, "--calib-method", "entropy").returncode == 1

    after = Path("b.int8.onnx").read_bytes(), manifest_path(Path("b.int8.onnx")).read_bytes()
    assert after == before


@pytest.mark.usefixtures("folder")
def test_where_int8_does_not_help_it_says_so_and_writes_nothing(segpp: Command) -> None:
    """Which of the two it is depends on the machine; on either the report must be true."""
    done = segpp(
        "calibrate", "b.onnx", "pictures", "-o", "b.int8.onnx", "--target", "onnxruntime",
        "--threads", 1,
    )  # fmt: skip

    if done.returncode:
        assert done.returncode == 1
        assert "error: INT8 does not help here" in done.stderr
        assert not Path("b.int8.onnx").exists()
    else:
        times = read_manifest(Path("b.int8.onnx")).calibration.faster
        assert times["int8"] < times["float"]
        assert "ms in INT8 with ONNX Runtime" in done.stdout
