"""The scripts for GPUs, where there is none: they say so, and their code runs on the CPU."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import results
from benchmarks.gpu.kernels import sanitized
from tests.trt_plugins.kernels.device_library import SOURCES
from tests.trt_plugins.kernels.kernel_library import build

pytest.importorskip("transformers", reason="transformers makes the network beside ours")

ROOT = Path(__file__).resolve().parents[2]
# The driver then knows no GPU, even where there is one.
HIDDEN = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks.gpu", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=HIDDEN, capture_output=True, text=True, check=False, timeout=900
    )


def test_without_a_gpu_there_is_one_sentence(tmp_path: Path) -> None:
    done = run("--out", tmp_path / "out")

    assert done.returncode == 3
    assert done.stdout.count("\n") == 1
    assert "no GPU" in done.stdout
    assert not (tmp_path / "out").exists()


def test_without_a_gpu_the_kernels_tests_are_skipped_with_the_reason(tmp_path: Path) -> None:
    done = run("--out", tmp_path / "out", "--tests")

    assert done.returncode == 0
    assert done.stdout == "skipped: the CUDA driver knows no GPU here\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_the_sanitizer_runs_answers_well_into_memory_that_nobody_wrote_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sources = [path for path in SOURCES if path.stem != "device_memory"]
    library = ctypes.CDLL(str(build(sources, "plain")))

    sanitized.main(library)

    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"match", "merge", "unmerge", "labels", "head"}
    assert all(line.endswith(" 0 []") for line in lines)


@pytest.mark.slow
def test_kernels_in_the_network_agree_with_torch_operators(tmp_path: Path) -> None:
    stages = ("machine.build", "network.agreement", "kernels.beside")
    done = run("--try", "--seconds", 800, "--out", tmp_path, "--stages", *stages)

    assert done.returncode == 0, done.stdout
    found = json.loads((tmp_path / "network.json").read_text(encoding="utf-8"))["agreement"]
    exact = {name: one for name, one in found.items() if "kernels FP32" in name}
    assert exact
    for one in exact.values():
        # Sums of the kernels and of torch are rounded in another order.
        assert one["max_abs"] <= one["largest_logit"] * 1e-5
        assert one["finite"]
    beside = json.loads((tmp_path / "beside.json").read_text(encoding="utf-8"))
    [checks] = [
        one for name, one in beside["kernels beside PyTorch"].items() if "x4, checks" in name
    ]
    assert checks == {"equal labels": 1.0}


def test_a_stage_that_leaves_something_out_goes_on_and_does_not_end_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGPP_GPU_RESULT", str(tmp_path / "found.json"))
    monkeypatch.setattr(results, "_failures", [])
    results.exit_if_failed()

    try:
        int("no number")
    except ValueError:
        results.record_failure("a stage", "b0")
    results.record("a stage", b2=1)

    with pytest.raises(SystemExit, match="1"):
        results.exit_if_failed()
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["a stage"]["b2"] == 1
    assert found["a stage"]["b0 failed"].startswith("ValueError: invalid literal")


@pytest.mark.slow
@pytest.mark.rtx
def test_engines_are_exported_built_and_told_as_not_run_where_there_is_no_gpu(
    tmp_path: Path,
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
    done = run("--try", "--seconds", 800, "--out", tmp_path, "--stages", "engines.compare")

    assert done.returncode == 0, done.stdout
    found = json.loads((tmp_path / "engines.json").read_text(encoding="utf-8"))
    told = found["engines and providers"]
    for precision in ("fp32", "fp16"):
        place = f"b0 none {precision} 64x128"
        reference = told[f"{place}: onnxruntime on the CPU"]
        assert reference["broken"] == []
        assert reference["run by"].startswith("onnxruntime")
        for way in ("CUDA graph", "kernel by kernel"):
            assert told[f"{place}: tensorrt-rtx, {way}"].startswith("not run: ")
        times = told[f"{place}: times"]["onnxruntime on the CPU"]
        assert times["gpu"] is None
        assert times["stages_ms"]["inference"]["p50"] > 0
