"""``segpp-bench`` on real, small networks."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.cli import main
from segpp.runtime.benchmark.interleave import STAGES

ROOT = Path(__file__).resolve().parents[2]
STREET = ROOT / "src" / "segpp" / "images" / "street.jpg"

Exported = Callable[[str, str, str], Path]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def nets(exported: Exported) -> tuple[Path, Path]:
    return exported("none", "128x256", "fp32"), exported("hq", "128x256", "fp32")


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU cannot be limited further")
def test_a_pinned_process_says_how_many_threads_it_runs(nets: tuple[Path, Path]) -> None:
    code = (
        "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from segpp.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["bench", str(nets[0]), "--iterations", "2", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )

    found = json.loads(done.stdout)
    assert found["threads"] == 1
    assert ", 1 cores" in found["environment"]["cpu"]


def bench(*arguments: object) -> int:
    return main(["bench", *map(str, arguments)])


def test_two_networks_are_measured_side_by_side(
    nets: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    code = bench(
        *nets, "--threads", 1, "--iterations", 4, "--warmup", 1, "--json",
        "--csv", tmp_path / "t.csv",
    )  # fmt: skip

    said = capsys.readouterr()
    found = json.loads(said.out)
    assert code == 0
    for model in found["models"]:
        samples = model["samples_ms"]
        assert {stage: len(times) for stage, times in samples.items()} == dict.fromkeys(samples, 4)
        parts = zip(*(samples[stage] for stage in STAGES[:-1]), strict=True)
        sums = [sum(times) for times in parts]
        assert min(min(times) for times in samples.values()) > 0
        # The stages are parts of the whole, and nearly all of it where nobody cuts in.
        left = [whole - found for whole, found in zip(samples["total"], sums, strict=True)]
        assert 0 <= min(left) <= 5
        assert model["peak_memory_bytes"] > model["memory_before_loading_bytes"] > 10e6
        assert model["backend"].startswith("onnxruntime ")
    assert found["models"][0]["pixel_agreement_with_first"] == 1
    assert 0 < found["models"][1]["pixel_agreement_with_first"] < 1
    assert found["image"] == "street-128x256.jpg, 128x256"
    assert "warning: 4 calls are few" in said.err
    with (tmp_path / "t.csv").open() as file:
        assert len(list(csv.reader(file))) == 1 + 2 * 5


def test_one_file_runs_on_two_engines(nets: tuple[Path, Path], capsys: Capture) -> None:
    pytest.importorskip("openvino", reason="OpenVINO (segpp[openvino]) is not installed")
    hq = nets[1]

    code = bench(
        f"{hq}@onnxruntime", f"{hq}@openvino", "--iterations", 2, "--markdown", "--no-cache"
    )

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[2].startswith(f"| {hq.stem} onnxruntime | onnxruntime ")
    assert lines[3].startswith(f"| {hq.stem} openvino | openvino ")
    assert not hq.with_name(hq.name + ".cache").exists()


def test_an_image_of_ones_own_is_read_anew_each_time(
    nets: tuple[Path, Path], capsys: Capture
) -> None:
    assert bench(nets[0], "--iterations", 1, "--image", STREET, "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert found["image"] == "street.jpg, 512x1024"
    # Half a million pixels do not come out of a JPEG in less.
    assert found["models"][0]["samples_ms"]["decode"][0] > 0.5


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--iterations", "0"), "--iterations is 0"),
        (("--warmup", "-1"), "--warmup is -1"),
        (("--duration", "-1"), "--duration is -1"),
        (("--duration", "nan"), "--duration is nan"),
        (("--duration", "inf"), "--duration is inf"),
        (("--percentiles", "x"), "no list of numbers"),
        (("--csv", "no/such/t.csv"), "create the folder first"),
        (("--backend", "onnx"), "unknown backend 'onnx'"),
        (("--json", "--markdown"), "not allowed with argument --json"),
        (("--image", "none.png"), "none.png does not exist"),
    ],
)
def test_what_cannot_work_is_exit_2(
    nets: tuple[Path, Path], arguments: tuple[str, ...], problem: str, capsys: Capture
) -> None:
    assert bench(nets[0], *arguments) == 2

    said = capsys.readouterr()
    assert problem in said.err
    assert said.out == ""


def test_without_matplotlib_a_plot_is_exit_3_before_anything_runs(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from segpp.cli import main; sys.exit(main(sys.argv[1:]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, "bench", "none.onnx", "--plot", str(tmp_path / "t.png")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 3
    assert (
        "the package matplotlib is not installed\n  hint: pip install 'segpp[plot]'" in done.stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_a_plot_and_a_table_are_two_files(
    nets: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib (segpp[plot]) draws")
    same = tmp_path / "t.png"

    assert bench(nets[0], "--iterations", 1, "--csv", same, "--plot", same) == 2

    assert "are one file, and both would be written" in capsys.readouterr().err
    assert not same.exists()


def test_the_plot_and_the_table_come_from_one_run(
    nets: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib (segpp[plot]) draws")

    assert bench(nets[0], "--iterations", 2, "--plot", tmp_path / "t.png") == 0

    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.startswith("ms, median of 2 calls by stage")
