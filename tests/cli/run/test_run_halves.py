"""Files of half precision, halves in and out too, go through every command."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from segpp.images import sample_image
from segpp.manifest import Calibration, CalibrationDrop, Island, read_manifest, render_manifest

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
    assert re.search(r"^islands\n  none  ", done.stdout, re.MULTILINE)


@pytest.fixture
def bf16(segpp: Command, tiny_checkpoint: Path, tmp_path: Path) -> Path:
    out = tmp_path / "bf16.onnx"
    options = ("--size", "64x128", "--min-agreement", 0.8, "--precision", "bf16")
    made = segpp("export", tiny_checkpoint, out, *options)
    assert made.returncode == 0, made.stderr
    assert len(re.findall(r"[01]\.\d{5}", made.stdout)) == 1
    assert "with every value rounded to BF16" in made.stdout
    assert "does not run BF16" in made.stdout
    assert "converting to BF16 … " in made.stderr
    assert "looking for" not in made.stderr
    return out


@pytest.mark.parametrize("backend", ["auto", "openvino"])
def test_a_file_of_bf16_runs_in_openvino(
    segpp: Command, bf16: Path, tmp_path: Path, backend: str
) -> None:
    run = segpp("run", bf16, sample_image(), "--backend", backend, "--out", tmp_path / "x.png")

    assert run.returncode == 0, run.stderr


def test_inspect_tells_of_bf16_one_agreement_and_the_engines(segpp: Command, bf16: Path) -> None:
    done = segpp("inspect", bf16)

    assert done.returncode == 0, done.stderr
    own, _, _ = done.stdout.partition("\ncertificate")
    assert len(re.findall(r" [01]\.\d{5}\b", own)) == 1
    assert "with every value rounded to BF16" in done.stdout
    assert "every half rounded" not in done.stdout
    assert re.search(r"^  runs in +TensorRT-RTX and OpenVINO; ", done.stdout, re.MULTILINE)
    assert "islands" not in done.stdout


def test_inspect_tells_where_islands_are(segpp: Command, half: Path) -> None:
    path = half.with_name(f"{half.name}.json")
    island = Island("matmul_2", 250_000.0, 8188.0, ("MatMul_69",), "stage 2 block 1, scores")
    path.write_text(render_manifest(replace(read_manifest(half), islands=(island,))))

    done = segpp("inspect", half)

    assert "islands in FP32, 1\n  matmul_2  stage 2 block 1, scores: up to 250,000" in done.stdout
    assert "1 node(s): MatMul_69" in done.stdout


def test_inspect_tells_whose_int8_a_file_is(segpp: Command, half: Path) -> None:
    drop = CalibrationDrop("agreement", 100.0, 99.5, 0.1, 0.9, (0.5,), 8)
    about = Calibration("onnxruntime", {}, (), {}, {}, (), (), (), 0.995, drop)
    path = half.with_name(f"{half.name}.json")
    path.write_text(render_manifest(replace(read_manifest(half), calibration=about)))

    done = segpp("inspect", half)

    assert re.search(r"^  runs in +ONNX Runtime alone", done.stdout, re.MULTILINE)
