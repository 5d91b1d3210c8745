"""What ``segpp-build-engine`` tells of a build on a real compiler: reports, dry runs, progress."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp import build_engine
from tests.runtime.build.parsed import (
    ATTENTION,
    HEAD,
    LARGE_TOPK,
    SOFTMAX_BY_HAND,
    names,
    parsed_with_builder,
    write,
    write_manifest,
)

pytest.importorskip("onnx")
pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
pytestmark = pytest.mark.rtx

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_the_report_says_what_was_not_done(segpp: Command, folder: Path) -> None:
    source = write(folder / "a.onnx", ATTENTION)
    write_manifest(source, sites=2)

    result = segpp("build-engine", source, folder / "a.engine")

    assert result.returncode == 0, result.stderr
    assert "attention sites    1 of 2 recognised, 0 fused: in FP32 there is no" in result.stdout
    assert "plugins            the file has no operators of segpp" in result.stdout
    assert "warning: 1 of 2 attention sites are a product, a softmax and a product" in result.stderr
    assert "built, not run" in result.stdout
    assert "building a.engine … " in result.stderr


def test_a_dry_run_parses_reports_and_writes_nothing(segpp: Command, folder: Path) -> None:
    source = write(folder / "a.onnx", ATTENTION)
    write_manifest(source, sites=1)

    result = segpp("build-engine", source, folder / "a.engine", "--dry-run")

    assert result.returncode == 0, result.stderr
    assert "attention sites    1, not compiled" in result.stdout
    assert "not built: a dry run" in result.stdout
    assert "parsing a.onnx … " in result.stderr
    assert names(folder) == {"a.onnx", "a.onnx.json"}


def test_a_dry_run_of_what_cannot_be_built_names_the_problem_and_exits_with_1(
    segpp: Command, folder: Path
) -> None:
    source = write(folder / "a.onnx", LARGE_TOPK)

    result = segpp("build-engine", source, folder / "a.engine", "--dry-run", "--json")

    assert result.returncode == 1
    [problem] = json.loads(result.stdout)["problems"]
    assert problem.endswith("asks for the top 4,000, and TensorRT ends at 3,840")
    assert names(folder) == {"a.onnx"}


def test_a_dry_run_needs_no_place_to_write_to(segpp: Command, folder: Path) -> None:
    source = write(folder / "a.onnx", ATTENTION)

    result = segpp("build-engine", source, "/dev/none/a.engine", "--dry-run")

    assert result.returncode == 0, result.stderr


def test_the_progress_of_a_build_is_told_in_shares(folder: Path) -> None:
    source = write(folder / "a.onnx", ATTENTION)
    told: list[tuple[float, str]] = []

    build_engine(source, folder / "a.engine", progress=lambda *news: told.append(news))

    shares = [share for share, _ in told]
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert told[-1][1] == "Building engine"


def test_verbose_shows_the_librarys_log(segpp: Command, folder: Path) -> None:
    source = write(folder / "a.onnx", ATTENTION)
    words = ("build-engine", source, folder / "a.engine")

    quiet, loud = segpp(*words, timeout=60), segpp(*words, "--verbose", "--force", timeout=60)

    assert "Total Activation Memory" not in quiet.stderr
    assert "Total Activation Memory" in loud.stderr
    assert "to be part of self-attention pattern" in loud.stderr


def test_levels_of_optimization_make_no_difference_to_tensorrt_rtx() -> None:
    """Why it refuses them."""
    import tensorrt_rtx as trt  # noqa: PLC0415 - who has no such wheel skips this file

    engines = []
    for level in (0, 5):
        with parsed_with_builder(ATTENTION.removeprefix(HEAD)) as (builder, network):
            settings = builder.create_builder_config()
            settings.num_compute_capabilities = 1
            settings.set_compute_capability(trt.ComputeCapability.SM89, 0)
            settings.builder_optimization_level = level
            engines.append(bytes(builder.build_serialized_network(network, settings)))

    assert engines[0] == engines[1]


def test_an_attention_written_otherwise_is_not_recognised(segpp: Command, folder: Path) -> None:
    source = write(folder / "a.onnx", SOFTMAX_BY_HAND)

    result = segpp("build-engine", source, folder / "a.engine", "--json")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["attention_found"] == 0


def test_a_site_that_lost_its_fusion_is_warned_of_with_the_cause(
    segpp: Command, folder: Path
) -> None:
    between = ATTENTION.replace("float[", "float16[").replace(
        "weights = Softmax<axis = -1>(scores)",
        "[squashed] s = Sigmoid(scores)\n    [soft] weights = Softmax<axis = -1>(s)",
    )
    source = write(folder / "a.onnx", between)

    result = segpp("build-engine", source, folder / "a.engine", "--json")

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    cause = "not recognised: between its products stands squashed (ACTIVATION)"
    assert report["warnings"][0] == f"the attention at soft is not one kernel: {cause}"
    assert f"warning: the attention at soft is not one kernel: {cause}\n" in result.stderr
