"""``segpp-inspect --board``: an estimate, called so, held to the other counters of the project."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.macs import macs_of
from segpp.inspection.board.boards import BOARDS
from segpp.inspection.onnx_macs import count_macs, shapes_of
from segpp.manifest import read_manifest
from segpp.ops.grid import Size
from tests.helpers.commands import Completed

Command = Callable[..., Completed]
Exported = Callable[[str, str, str], Path]


def estimated(segpp: Command, path: Path, board: str = "orin-nano", *more: object) -> Any:
    done = segpp("inspect", path, "--board", board, "--json", *more)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    return data["estimate"] if "estimate" in data else data["estimates"]


def by_part(estimate: Any) -> dict[str, int]:
    return {part["part"]: part["macs"] for part in estimate["parts"]}


def test_it_is_called_an_estimate_and_says_what_it_takes_for_granted(
    segpp: Command, b0_onnx: Path
) -> None:
    done = segpp("inspect", b0_onnx, "--board", "orin-nano-super")

    assert done.returncode == 0, done.stderr
    assert (
        "estimate for Jetson Orin Nano 8GB, MAXN SUPER, from counts; not measured\n" in done.stdout
    )
    assert "that estimate takes for granted\n" in done.stdout
    assert "20% of the peak rate" in done.stdout
    # What was asked for stands last, and says of what its memory is.
    last = done.stdout.rstrip().rpartition("\n\n")[2]
    assert last.startswith("that estimate takes for granted\n")
    assert "of the file as it is: its 8000.0 MB" in last
    for part in ("attention", "feed-forward", "matching", "head", "total"):
        assert f"\n  {part} " in done.stdout


def test_without_a_board_nothing_is_estimated(segpp: Command, b0_onnx: Path) -> None:
    done = segpp("inspect", b0_onnx)

    assert "estimate" not in done.stdout
    assert "estimate" not in json.loads(segpp("inspect", b0_onnx, "--json").stdout)


@pytest.mark.parametrize("reduction", ["none", "hq", "0.5"])
def test_its_counts_are_those_of_the_counter_of_files(
    segpp: Command, exported: Exported, reduction: str
) -> None:
    path = exported(reduction, "128x256", "fp32")
    model = onnx.load(path)
    whole = count_macs(model, shapes_of(model))

    counts = by_part(estimated(segpp, path))

    products = sum(n for part, n in counts.items() if part not in {"resize", "matching"})
    assert products == whole.graph


@pytest.mark.parametrize("reduction", ["none", "hq"])
def test_its_counts_are_those_of_the_architecture(
    segpp: Command, exported: Exported, reduction: str
) -> None:
    """Independent of the file: from widths, depths, and the tokens that are left."""
    path = exported(reduction, "128x256", "fp32")
    sites = read_manifest(path).reduction
    macs = macs_of(segformer("b0", classes=19), Size(128, 256), sites)

    counts = by_part(estimated(segpp, path))

    stages = macs.stages
    assert counts["patch embedding"] == sum(stage.patch_embedding for stage in stages)
    assert counts["feed-forward"] == sum(stage.ffn for stage in stages)
    attention = sum(stage.projections + stage.products + stage.reduction for stage in stages)
    assert counts["attention"] == attention
    matching = sum(stage.matching for stage in stages)
    # The file copies and adds up rows besides, which is counted by what it reads.
    assert (
        matching
        <= counts.get("matching", 0)
        <= matching + 4 * sum(stage.merging for stage in stages)
    )


def test_a_smaller_file_of_fewer_bits_on_a_larger_board_is_faster(
    segpp: Command, exported: Exported
) -> None:
    def ends(reduction: str, size: str, precision: str, board: str) -> list[float]:
        found = estimated(segpp, exported(reduction, size, precision), board)
        times: list[float] = found["total"]["seconds"]
        return times

    slowest = ends("none", "128x256", "fp32", "orin-nano")
    for faster in (
        ends("none", "128x256", "fp16", "orin-nano"),
        ends("none", "64x128", "fp32", "orin-nano"),
        ends("none", "128x256", "fp32", "agx-orin"),
    ):
        assert all(new < old for new, old in zip(faster, slowest, strict=True))


def test_memory_is_weights_activations_and_what_the_system_takes(
    segpp: Command, exported: Exported
) -> None:
    path = exported("none", "128x256", "fp32")

    memory = estimated(segpp, path)["memory"]

    # All of the file but its graph.
    assert 0.95 * path.stat().st_size < memory["weights"] <= path.stat().st_size
    largest = 4 * (128 // 4) * (256 // 4) * 32 * 4
    assert memory["activations"] > largest
    assert memory["fits"] is True


def test_a_checkpoint_is_estimated_for_every_reduction_in_every_precision(
    segpp: Command, tiny_checkpoint: Path
) -> None:
    words = ("--size", "128x256", "--ratio", "0.5")
    estimates = estimated(segpp, tiny_checkpoint, "thor", *words)

    assert {"none", "hq", "fast", "ratio 0.5"} <= estimates.keys()
    for row in estimates.values():
        times = [row[precision]["total"]["seconds"] for precision in ("fp32", "fp16", "int8")]
        assert times == sorted(times, reverse=True)
    done = segpp("inspect", tiny_checkpoint, "--board", "thor", "--size", "128x256")
    title = "estimate for Jetson AGX Thor (T5000), MAXN, ms an image, from counts; not measured"
    assert title in done.stdout
    last = done.stdout.rstrip().rpartition("\n\n")[2]
    assert last.startswith("that estimate takes for granted\n")
    assert "of none in fp32: its 128000.0 MB holds" in last


def test_an_unknown_board_lists_those_that_are_known(segpp: Command, b0_onnx: Path) -> None:
    done = segpp("inspect", b0_onnx, "--board", "orin-nanu")

    assert done.returncode == 2
    assert "unknown board 'orin-nanu'" in done.stderr
    assert f"known: {', '.join(sorted(BOARDS))}" in done.stderr


def test_a_manifest_has_nothing_to_estimate(segpp: Command, b0_onnx: Path) -> None:
    done = segpp("inspect", f"{b0_onnx}.json", "--board", "thor")

    assert done.returncode == 2
    assert "--board goes with a checkpoint or an ONNX file" in done.stderr


@pytest.mark.exhaustive
def test_the_page_shows_what_the_command_says_of_a_b0(segpp: Command, b0_checkpoint: Path) -> None:
    done = segpp("inspect", b0_checkpoint, "--size", "1024x2048", "--board", "orin-nano-super")

    [table] = re.findall(r"^estimate for .*?(?=\n\n)", done.stdout, re.DOTALL | re.MULTILINE)
    page = Path(__file__).resolve().parents[3] / "docs" / "jetson.md"
    assert f"\n{table}\n" in page.read_text(encoding="utf-8")
