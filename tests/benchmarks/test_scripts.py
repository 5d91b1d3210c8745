"""Every script of ``benchmarks/`` that a page names runs, on a small network, from end to end."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

pytest.importorskip("tomesd", reason="tomesd is what the naive merging is")
pytest.importorskip("transformers", reason="transformers makes the plain network")

from benchmarks.networks.baselines import write_random
from benchmarks.networks.fits import near_borders, tables_of
from benchmarks.networks.latency_by_resolution import scores_gib
from examples.demo.__main__ import CHECKPOINT
from examples.street_scenes.draw import write_scenes
from segpp.calib.writers import WRITERS
from segpp.export.config import ExportConfig
from segpp.export.models.segformer.macs import macs_of
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.pipeline import export_onnx
from segpp.images import sample_image
from segpp.inspection.onnx_macs import count_macs, shapes_of
from segpp.manifest import read_manifest
from segpp.ops.grid import Size

ROOT = Path(__file__).resolve().parents[2]
SIZE = Size(128, 256)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "b0.pth"
    write_random("b0", 256, path)
    return path


@pytest.fixture(scope="module")
def files(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The portable form of no merging, and both forms of hq."""
    folder = tmp_path_factory.mktemp("exported")
    wanted = {"none": ("none", "portable"), "hq": ("hq", "portable"), "own": ("hq", "onnxruntime")}
    for name, (preset, target) in wanted.items():
        request = ExportConfig(
            checkpoint, folder / f"{name}.onnx", reduction=PRESETS[preset], target=target,
            size=SIZE, check=False,
        )  # fmt: skip
        export_onnx(request)
    return {name: folder / f"{name}.onnx" for name in wanted}


def run(script: str, *arguments: object) -> str:
    folder = "precision" if script.startswith(("int8", "fp16", "calibration")) else "networks"
    folder = "runtime" if script == "overlap" else folder
    command = [sys.executable, "-m", f"benchmarks.{folder}.{script}", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.exhaustive
def test_naive_merging_is_timed_beside_the_files_and_labels_as_they_do(
    checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "naive.json"

    table = run("pytorch_tomesd", checkpoint, out, "--size", SIZE, "--threads", 1, "--rounds", 2)

    found = read(out)
    assert list(found["rows"]) == [
        "PyTorch",
        "PyTorch, tomesd hq",
        "PyTorch, tomesd fast",
        "transformers",
        "none",
        "hq",
        "fast",
    ]
    assert all(row["median_ms"] > 0 for row in found["rows"].values())
    # The merging is the same but for ties; a token decides at most 32 x 32 of 128 x 256 pixels.
    assert all(share > 1 - 32 * 32 / (128 * 256) for share in found["equal_labels"].values())
    assert found["equal_labels"]["none as PyTorch"] > 0.999
    assert table.count("| PyTorch") == 3


@pytest.mark.exhaustive
def test_both_ways_through_a_film_are_timed_in_turn(files: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV (segpp[video]) reads films")
    out = tmp_path / "overlap.json"

    options = ("--threads", 1, "--rounds", 1, "--frames", 4, "--out", out)
    table = run("overlap", files["none"], files["hq"], *options)

    rows = read(out)["rows"]
    assert [row["model"] for row in rows] == ["none", "hq"]
    assert all(row["in_turn"] > 0 and row["network_ms"] > 0 for row in rows)
    # Of one round the gain is the quotient of its two rates.
    assert all(row["gain"] == pytest.approx(row["overlapped"] / row["in_turn"]) for row in rows)
    assert table.count("frames/s") == 4


@pytest.mark.slow
def test_the_share_of_the_peak_counts_what_each_file_computes(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "share.json"

    options = ("--threads", 1, "--rounds", 2, "--side", 256)
    run("gemm_efficiency", *files.values(), "--out", out, *options)

    found = read(out)
    rows = found["rows"]
    assert found["peak_gmacs_per_second"] > 0
    for row in rows.values():
        rate = row["gmacs"] / row["median_ms"] * 1e3
        assert row["gmacs_per_second"] == pytest.approx(rate)
        assert row["share"] == pytest.approx(rate / found["peak_gmacs_per_second"])
    assert rows["hq"]["gmacs"] < rows["none"]["gmacs"]
    # The same arithmetic in either dialect.
    assert rows["own"]["gmacs"] == rows["hq"]["gmacs"]


def test_the_attention_of_onnx_runtime_is_counted_like_its_products(files: dict[str, Path]) -> None:
    manifest = read_manifest(files["own"])
    model = onnx.load(files["own"])
    shapes = shapes_of(model)

    whole = count_macs(model, shapes).graph
    for node in [node for node in model.graph.node if node.op_type == "MultiHeadAttention"]:
        model.graph.node.remove(node)
    rest = count_macs(model, shapes).graph

    counted = macs_of(manifest.architecture, SIZE, manifest.reduction)
    assert whole - rest == sum(stage.products for stage in counted.stages)


def test_peak_memory_is_compared_with_the_first_file(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "memory.json"

    run("peak_memory", files["none"], files["hq"], "--out", out, "--threads", 1)

    rows = read(out)["rows"]
    first, second = rows["none.onnx"], rows["hq.onnx"]
    assert first["of_first"] == first["own_of_first"] == 1
    assert second["of_first"] == pytest.approx(second["peak_mb"] / first["peak_mb"])
    assert first["peak_mb"] > first["before_mb"] > 10


@pytest.mark.exhaustive
def test_cost_against_pixels_runs_what_fits_and_tells_what_does_not(
    checkpoint: Path, tmp_path: Path
) -> None:
    out, plot = tmp_path / "cost.json", tmp_path / "cost.png"
    arguments = ("--sizes", "128x256", "256x512", "--variants", "plain", "none")
    # The scores of 128x256: 2,048 queries, 32 keys, twice 4 bytes: 0.0005 GiB; 256x512: 16-fold.
    limits = ("--most-gib", 0.001, "--rounds", 2, "--threads", 1)

    table = run(
        "latency_by_resolution", checkpoint, *arguments, *limits, "--out", out, "--plot", plot
    )

    rows = {(row["size"], row["variant"]): row for row in read(out)["rows"]}
    assert len(rows) == 4
    assert rows["128x256", "none"]["equal_labels"] == 1
    assert rows["128x256", "none"]["compared_with"] == "plain"
    assert rows["128x256", "none"]["median_ms"] > 0
    assert "median_ms" not in rows["256x512", "plain"]
    assert "| 256x512 | plain | not run: " in table
    with Image.open(plot) as picture:
        assert picture.format == "PNG"


def test_the_memory_of_scores_is_that_of_stage_1(files: dict[str, Path]) -> None:
    # 32 x 64 queries of 4 x 8 keys; hq leaves int(0.4 * 32) + 1 = 13 of these.
    portable, merged, own = (read_manifest(files[name]) for name in ("none", "hq", "own"))

    assert scores_gib(portable) == 2 * 4 * 2048 * 32 / 2**30
    assert scores_gib(merged) == 2 * 4 * 2048 * 13 / 2**30
    assert scores_gib(own) == 0


@pytest.mark.shared
@pytest.mark.slow
def test_cheaper_matching_is_scored_against_labels_and_no_merging(
    shared: Path, tmp_path: Path
) -> None:
    out = tmp_path / "matching.json"
    checkpoint = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"
    data = shared / "camvid" / "val"
    if not data.is_dir():
        pytest.skip("no CamVid beside the checkout (SEGPP_SHARED)")

    run(
        "matching_accuracy", "--checkpoint", checkpoint, "--data", data, "--size", "256x320",
        "--limit", 2, "--presets", "hq", "--windows", 1, "--threads", 1, "--out", out,
    )  # fmt: skip

    rows = read(out)["rows"]
    ways = [(row["preset"], row["window"], row["match_every"]) for row in rows]
    assert ways == [("none", 0, 1), ("hq", 1, 1), ("hq", 1, 2)]
    assert rows[0]["agreement_with_none"] == 1
    assert all(0.5 < row["agreement_with_none"] < 1 for row in rows[1:])
    assert all(0 < row["miou"] < 1 for row in rows)


@pytest.mark.shared
@pytest.mark.slow
def test_options_of_matching_are_scored_at_equal_counts(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "variants.json"
    checkpoint = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"
    data = shared / "camvid" / "unseen"
    if not data.is_dir():
        pytest.skip("no CamVid beside the checkout (SEGPP_SHARED)")

    table = run(
        "matching_variants", "--checkpoint", checkpoint, "--data", data, "--limit", 1,
        "--presets", "fast", "--out", out,
    )  # fmt: skip

    none, plain, *others = read(out)["rows"]
    assert none["agreement_with_none"] == 1
    assert {len(row["settings"]) for row in others} == {0, 1, 2}
    # An option costs next to nothing; a match for two blocks saves some.
    assert all(abs(row["gmacs"] / plain["gmacs"] - 1) < 0.002 for row in others)
    assert len({row["agreement_with_none"] for row in others}) == len(others)
    assert "| fast | protect=2 | 1 |" in table


@pytest.mark.slow
def test_channels_are_scored_against_labels_and_all_channels(
    checkpoint: Path, tmp_path: Path
) -> None:
    street = Image.open(sample_image()).resize((160, 120))
    for kind in ("images", "labels"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    street.save(tmp_path / "set" / "images" / "a.png")
    Image.new("L", (160, 120), 3).save(tmp_path / "set" / "labels" / "a.png")
    out = tmp_path / "gates.json"

    table = run(
        "channel_gates", "--checkpoint", checkpoint, "--data", tmp_path / "set",
        "--search-images", tmp_path / "set" / "images", "--size", "64x96",
        "--stages", "1", "1,2", "--keep", 0.5, "--out", out,
    )  # fmt: skip

    whole, *others = read(out)["rows"]
    assert whole["agreement_with_all"] == 1
    methods = [row["method"] for row in others]
    assert methods == ["fixed", "fixed:correct=0"] * 4 + ["dynamic"] * 2
    assert all(row["gmacs"] < whole["gmacs"] for row in others)
    assert read(out)["chosen_on"] == 1
    assert "| fixed:correct=0 | qkv | 1, 2 | 0.5 |" in table


@pytest.mark.slow
def test_fits_are_scored_and_seams_compared_with_the_whole_picture(
    checkpoint: Path, tmp_path: Path
) -> None:
    street = Image.open(sample_image())
    for kind in ("images", "labels"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    street.resize((160, 120)).save(tmp_path / "set" / "images" / "a.png")
    Image.new("L", (160, 120), 3).save(tmp_path / "set" / "labels" / "a.png")
    street.resize((200, 100)).save(tmp_path / "large.png")
    out = tmp_path / "fits.json"

    tables = run(
        "fits", "--checkpoint", checkpoint, "--data", tmp_path / "set", "--picture",
        tmp_path / "large.png", "--cases", "64x128:letterbox", "64x128:crop", "--out", out,
    )  # fmt: skip

    result = read(out)
    assert [(row["data"], row["size"], row["fit"]) for row in result["fits"]] == [
        ("set", "64x128", "letterbox"),
        ("set", "64x128", "crop"),
    ]
    # 100 rows are two tiles of 64 or three at half a stride, 200 columns as many of 128.
    assert [row["tiles"] for row in result["seams"]] == [4, 4, 4, 9]
    assert all(0 <= row["agreement_near"] <= 1 for row in result["seams"])
    assert tables.strip() == tables_of(result)


@pytest.mark.slow
def test_files_of_halves_are_scored_beside_fp32(checkpoint: Path, tmp_path: Path) -> None:
    street = Image.open(sample_image())
    for kind in ("images", "labels"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    street.resize((160, 120)).save(tmp_path / "set" / "images" / "a.png")
    Image.new("L", (160, 120), 3).save(tmp_path / "set" / "labels" / "a.png")
    out = tmp_path / "halves.json"

    table = run(
        "fp16_accuracy", "--checkpoint", checkpoint, "--data", tmp_path / "set", "--size", SIZE,
        "--presets", "none", "--threads", 1, "--out", out,
    )  # fmt: skip

    rows = read(out)["rows"]
    assert [(row["precision"], row["rounded"]) for row in rows] == [
        ("fp16", False),
        ("fp16", True),
        ("bf16", True),
    ]
    assert all(0.9 < row["agreement"] <= 1 for row in rows)
    assert table.count("| set | none |") == len(rows)


@pytest.fixture(scope="module")
def street_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "drawn"
    write_scenes(folder, range(10), SIZE)
    return folder


@pytest.mark.exhaustive
def test_int8_files_of_every_dialect_are_scored_beside_the_float_file(
    street_scenes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "int8.json"

    table = run(
        "int8_accuracy", "--checkpoint", ROOT / CHECKPOINT, "--pictures", street_scenes / "images",
        "--number", 8, "--data", street_scenes, "--size", SIZE, "--presets", "none", "--methods",
        "max", "max, plain", "--threads", 1, "--work", tmp_path / "work", "--out", out,
    )  # fmt: skip

    rows = read(out)["rows"]
    kinds = [(target, method) for target in WRITERS for method in ("max", "max, plain")]
    assert [(row["target"], row["method"]) for row in rows] == kinds
    # A trained network: 8 bits change few pixels, though some.
    assert all(0.95 < row["agreement"] < 1 for row in rows)
    assert table.count("| `") == len(rows)


@pytest.mark.exhaustive
def test_what_a_calibration_takes_is_told_beside_one_run_and_another_command(
    files: dict[str, Path], street_scenes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "cost.json"

    table = run(
        "calibration_cost", files["none"], "--pictures", street_scenes / "images", "--number", 10,
        "--also", f"nothing={sys.executable} -c 'raise SystemExit(3)'", "--out", out,
    )  # fmt: skip

    rows = read(out)["rows"]
    assert list(rows) == [
        "segpp-run, one picture",
        "segpp-calibrate, ranges alone",
        "segpp-calibrate",
        "nothing",
    ]
    assert [row["exit"] for row in rows.values()] == [0, 0, 0, 3]
    assert "ended with 3" in table


@pytest.mark.exhaustive
def test_int8_files_are_timed_beside_the_float_files_of_their_engine(
    street_scenes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "speed.json"

    table = run(
        "int8_speed", "--checkpoint", ROOT / CHECKPOINT, "--pictures", street_scenes / "images",
        "--size", SIZE, "--presets", "hq", "--threads", 1, "--rounds", 2, "--work",
        tmp_path / "work", "--out", out,
    )  # fmt: skip

    rows = read(out)["presets"]["hq"]
    assert {"openvino FP32", "openvino INT8", "onnxruntime FP32", "onnxruntime INT8"} <= set(rows)
    assert all(row["median_ms"] > 0 for row in rows.values())
    assert all(f"| {name} |" in table for name in rows)


def test_pixels_near_a_border_are_those_within_two_cells_of_logits() -> None:
    near = near_borders((40, 100), (40, 60), 0.0)

    # The second tile begins at 40, the first ends at 60.
    assert np.flatnonzero(near[0]).tolist() == [*range(32, 48), *range(52, 68)]
    assert (near == near[0]).all()
