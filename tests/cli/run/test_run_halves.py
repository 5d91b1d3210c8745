"""Files of half precision, halves in and out too, go through every command."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.images import sample_image

pytest.importorskip("torch", reason="needs the exporter (extra export)")
openvino = pytest.importorskip("openvino", reason="OpenVINO (segpp[openvino]) is not installed")

Command = Callable[..., "subprocess.CompletedProcess[str]"]

HALVES = ("--precision", "fp16", "--input-dtype", "float16", "--output-dtype", "float16")


@pytest.fixture
def half(segpp: Command, tiny_checkpoint: Path, tmp_path: Path) -> Path:
    out = tmp_path / "half.onnx"
    done = segpp(
        "export", tiny_checkpoint, out, "--size", "64x128", "--min-agreement", 0.9, *HALVES
    )
    assert done.returncode == 0, done.stderr
    assert "float16 NCHW" in done.stdout
    assert "with every half rounded, as on a GPU" in done.stdout
    return out


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_halves_are_fed_and_read_by_run_eval_and_bench(
    segpp: Command, half: Path, tmp_path: Path, backend: str
) -> None:
    run = segpp("run", half, sample_image(), "--backend", backend, "--out", tmp_path / "x.png")
    labels = tmp_path / "labels"
    mask = ("run", half, sample_image(), "--save", "mask", "--out", labels / "street.png")
    labels.mkdir()
    made = segpp(*mask)
    score = segpp(
        "eval", half, "--images", sample_image().parent, "--labels", labels,
        "--backend", backend, "--json",
    )  # fmt: skip
    bench = segpp("bench", f"{half}@{backend}", "--duration", 0.2, "--json")

    for done in (run, made, score, bench):
        assert done.returncode == 0, done.stderr
    [model] = json.loads(score.stdout)["models"]
    # The labels are its own; OpenVINO sums in another order.
    assert model["pixel_accuracy"] > 0.98


def test_inspect_tells_of_halves_and_of_both_agreements(segpp: Command, half: Path) -> None:
    done = segpp("inspect", half)

    assert done.returncode == 0, done.stderr
    assert "fp16" in done.stdout
    assert "with every half rounded" in done.stdout
    assert "logit difference" not in done.stdout


def test_a_file_of_bf16_runs_in_openvino(
    segpp: Command, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bf16.onnx"
    options = ("--size", "64x128", "--min-agreement", 0.8, "--precision", "bf16")
    made = segpp("export", tiny_checkpoint, out, *options)

    run = segpp("run", out, sample_image(), "--backend", "openvino", "--out", tmp_path / "x.png")

    assert made.returncode == 0, made.stderr
    assert run.returncode == 0, run.stderr
