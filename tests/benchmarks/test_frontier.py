"""Every reduction is compared with the others in accuracy and cost, as it is and after learning."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.markdown import with_blocks
from benchmarks.frontier.page import PAGES, blocks_of
from benchmarks.frontier.plot import draw
from benchmarks.frontier.settings import SETTINGS, VIT_SETTINGS, chosen
from benchmarks.frontier.tables import classes_table, frontier_table
from examples.demo.__main__ import CHECKPOINT
from examples.street_scenes.draw import write_scenes
from segpp.export.models.segformer.architecture import segformer
from segpp.export.models.segformer.family import FAMILY
from segpp.export.models.vit.architecture import vit
from segpp.export.models.vit.family import FAMILY as VIT
from segpp.export.reduction.config import ReductionChoice, count_tokens
from segpp.export.reduction.gates.config import build_gates
from segpp.manifest import Architecture
from segpp.ops.grid import Size

ROOT = Path(__file__).resolve().parents[2]
SIZE = "128x160"
DEPTHS = (3, 4, 6, 3)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_one_of_a_deep_network(name: str) -> None:
    setting = SETTINGS[name]
    config = FAMILY.reduction_config(ReductionChoice(setting.preset, reduce=setting.reduce))

    sites = count_tokens(config, FAMILY.grids(Size(352, 480), config), depths=DEPTHS)

    gates = build_gates(setting.reduce, FAMILY.places)
    assert len(sites) + len(gates) >= len(setting.reduce)
    assert bool(sites or gates) == (name != "none")


def test_a_stage_of_two_blocks_has_no_third() -> None:
    shallow, deep = (chosen(None, segformer(size, classes=2)) for size in ("b0", "b2"))

    assert set(deep) == set(SETTINGS)
    assert {SETTINGS[name].group for name in set(deep) - set(shallow)} == {"deep"}
    assert list(chosen(["hq"], segformer("b0", classes=2))) == ["hq"]


@pytest.mark.parametrize("name", VIT_SETTINGS)
def test_every_setting_of_a_plain_vit_is_one_of_twelve_blocks(name: str) -> None:
    setting = VIT_SETTINGS[name]

    config = VIT.reduction_config(ReductionChoice(setting.preset, reduce=setting.reduce))

    assert len(config) >= len(setting.reduce)
    assert bool(config) == (name != "none")


def segmenter(**choices: Any) -> Architecture:
    return vit(
        dim=64, depth=12, heads=1, patch=16, prefix=1, hidden=256, ffn="gelu", head="linear",
        decoder=0, head_blocks=0, classes=2, channels=3, **choices,
    )  # fmt: skip


def test_a_plain_vit_is_compared_by_what_it_was_trained_to_have() -> None:
    everything = chosen(None, segmenter(policy=(0, 0), exits=(3, 6, 9)))
    alone = chosen(None, segmenter())

    assert everything == VIT_SETTINGS
    assert {name for name in everything if name.startswith(("policy", "dovit"))} == (
        everything.keys() - alone.keys()
    )
    assert "policy 0.4" not in chosen(None, segmenter(exits=(3, 6, 9)))
    assert "dovit" in chosen(None, segmenter(exits=(3, 6, 9)))


def row(setting: str, gmacs: float, miou: float) -> dict[str, Any]:
    scores = {"unseen": {"miou": miou, "iou": {"road": miou}}, "val": {"miou": miou + 0.1}}
    return {"setting": setting, "group": "merging", "file_gmacs": gmacs, **scores}


def test_the_table_has_the_mean_of_the_seeds_of_its_own_longest_trials(tmp_path: Path) -> None:
    rows = [row("none", 2, 0.5), row("hq", 1, 0.4)]
    result = {"checkpoint": "a.pth", "size": "352x480", "rows": rows}
    students = [
        ("a.pth", 0, 60, None, 0.44),
        ("a.pth", 0, 60, None, 0.46),
        ("b.pth", 0, 60, None, 0.9),
        ("a.pth", 10, 60, None, 0.2),
        ("a.pth", 0, 20, None, 0.3),
        ("a.pth", 0, 60, 6e-4, 0.8),
    ]
    trials = [
        {"checkpoint": name, "setting": "hq", "kills": kills, "minutes": minutes,
         "learning_rate": rate, "after": row("hq", 1, miou)}
        for name, kills, minutes, rate, miou in students
    ]  # fmt: skip

    table = frontier_table(result, trials).splitlines()
    draw({"b0": result}, trials, tmp_path / "plot.png")

    assert table[2:] == [
        "| 1 | none | 2.00 | 50.00 | 60.00 |  |  |  |",
        "| 2 | hq | 1.00 | 40.00 | 50.00 | 45.00 | 55.00 | 2 |",
    ]
    assert classes_table(result, ["none", "hq"]).splitlines()[2:] == ["| road | 50.00 | -10.0 |"]
    assert (tmp_path / "plot.png").stat().st_size > 0


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.stem))
def test_the_page_holds_what_was_measured(path: Path) -> None:
    page = path.read_text(encoding="utf-8")

    assert with_blocks(page, blocks_of(path)) == page


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, "-m", f"benchmarks.frontier.{script}", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.exhaustive
def test_the_scripts_measure_and_draw_what_they_say(tmp_path: Path) -> None:
    """A distillation is killed once on its way; a trial that is there is not run again."""
    for number, name in enumerate(("train", "unseen", "val")):
        write_scenes(
            tmp_path / name, range(900_000 + 10 * number, 900_009 + 10 * number), Size(64, 96)
        )
    data = [part for name in ("train", "unseen", "val") for part in (f"--{name}", tmp_path / name)]
    common = ("--checkpoint", CHECKPOINT, *data, "--size", SIZE, "--limit", 2, "--threads", 1)
    before, after, speed = (tmp_path / f"{name}.json" for name in ("before", "after", "speed"))

    names = ("none", "fast", "hq + hidden + head.grid")
    run("untrained", *common, "--settings", *names, "--out", before)
    trial = (*common, "--settings", "fast", "--minutes", 0.5, "--kills", 1, "--out", after)
    run("distilled", *trial, "--folder", tmp_path / "students")
    first = after.read_bytes()
    run("distilled", *trial, "--folder", tmp_path / "students")
    data = ("--unseen", tmp_path / "unseen", "--val", tmp_path / "val", "--limit", 2)
    out = ("--size", SIZE, "--threads", 1, "--out", tmp_path / "left_out.json")
    left = run("in_pytorch.left_out", "--checkpoint", CHECKPOINT, *data, *out)
    halves = tmp_path / "half_grid.json"
    run("in_pytorch.half_grid", "--checkpoint", CHECKPOINT, *data, "--size", SIZE, "--out", halves)
    timed = ("--settings", "none", "head.grid 1/2", "--rounds", 2, "--threads", 1)
    printed = run("speed", CHECKPOINT, "--size", SIZE, *timed, "--out", speed)

    rows = json.loads(before.read_text())["rows"]
    assert [one["setting"] for one in rows] == list(names)
    assert rows[0]["file_gmacs"] > rows[1]["file_gmacs"] > rows[2]["file_gmacs"]
    assert rows[0]["unseen"]["agreement"] == 1
    [found] = json.loads(after.read_text())["trials"]
    assert found["before"]["unseen"]["miou"] == pytest.approx(rows[1]["unseen"]["miou"], abs=1e-3)
    assert found["held_back_after"] > found["held_back_before"]
    assert after.read_bytes() == first
    assert [line.split("|")[1].strip() for line in left.splitlines()[2:]] == [
        "none",
        "1",
        "2",
        "all",
    ]
    parts = {row["on_half"]: row["unseen"] for row in json.loads(halves.read_text())["rows"]}
    assert parts["nothing"] == pytest.approx(rows[0]["unseen"]["miou"], abs=1e-3)
    assert parts["both"] != parts["nothing"]
    assert printed.count(" ms ") == 2
    assert list(json.loads(speed.read_text())["runs"][0]["rows"]) == ["none", "head.grid 1/2"]
