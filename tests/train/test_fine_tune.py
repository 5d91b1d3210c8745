"""``segpp-train`` on small networks: what it learns from labels, what it writes, how it goes on.

Tests train/trainings.py, train/config.py and train/report.py where labels are learned from.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from segpp.train.learning.judge import Judge
from tests.export.models.vit.checkpoints import save_segmenter
from tests.export.models.vit.references import reference
from tests.helpers.checkpoints import assert_same
from tests.helpers.commands import Completed
from tests.train.conftest import QUICK, REDUCE, SMALL, weights_of

Command = Callable[..., Completed]
Film = Callable[..., Path]

# Large steps and more of them: what random weights give is far from any labels.
OWN = (
    *(*QUICK, "--learning-rate", "0.003", "--steps", "40", "--check-every", "10"),
    *("--precision", "fp32"),
)


@pytest.fixture
def data(film: Film) -> Path:
    """A film with labels: six classes of brightness, and a row without one."""
    frames = film("data")
    (frames / "images").mkdir()
    (frames / "labels").mkdir()
    for path in sorted(frames.glob("*.png")):
        labels = np.asarray(Image.open(path).convert("L")) // 43
        labels = labels.copy()
        labels[:2] = 255
        Image.fromarray(labels).save(frames / "labels" / path.name)
        path.rename(frames / "images" / path.name)
    return frames


def call(checkpoint: Path, data: Path, out: Path, *more: object) -> list[object]:
    folders = (data / "images", data / "labels")
    return ["train", checkpoint, *folders, "-o", out, "--size", "64x64", *OWN, *more]


# --- what it does


@pytest.mark.parametrize("reduce", [(), SMALL[2:]], ids=["all", "reduced"])
def test_weights_are_better_by_labels_and_lie_as_they_lay(
    reduce: tuple[str, ...], *, segpp: Command, teacher: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tuned.pth"

    done = segpp(*call(teacher, data, out, *reduce, "--json"))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "tuned.pth.json").read_text())
    assert told["kind"] == "training"
    assert told["after"]["miou"] > told["before"]["miou"]
    assert [(entry[0], len(entry)) for entry in told["history"]] == [
        (10, 4), (20, 4), (30, 4), (40, 4),
    ]  # fmt: skip
    assert told["miou"]["pictures"] == "4 pictures held back"
    assert told["miou"]["after"] == pytest.approx(told["after"]["miou"])
    assert told["miou"]["before"] == pytest.approx(told["before"]["miou"])
    # With all tokens the start is the checkpoint itself.
    assert (told["before"]["agreement"] == 1.0) is not reduce
    before, tuned = weights_of(teacher), weights_of(out)
    frozen = {name for name in before if torch.equal(before[name], tuned[name])}
    assert frozen == {name for name in before if "running" in name}
    assert {p.name for p in tmp_path.iterdir()} == {"data", out.name, f"{out.name}.json"}


def test_a_plain_vit_learns_from_labels_too(segpp: Command, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="needs timm, which the network is made of")
    (folder := tmp_path / "segmenter").mkdir()
    network = reference(dim=64, heads=1, size=(64, 64), classes=6, head="linear")
    checkpoint, out = save_segmenter(folder, network), tmp_path / "tuned.pth"
    reduce = ("--reduce", "1.tokens=bsm:ratio=0.5,sy=2,sx=2", "--distil-weight", "0.1")

    done = segpp(*call(checkpoint, data, out, *reduce, "--json"))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["after"]["miou"] > told["before"]["miou"]
    assert (tmp_path / "variant.yml").is_file()


def test_the_report_is_for_a_person_and_an_inspection_tells_it(
    segpp: Command, teacher: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tuned.pth"

    done = segpp(*call(teacher, data, out, *SMALL[2:]))

    lines = done.stdout.splitlines()
    assert lines[0].startswith("wrote     tuned.pth  ")
    assert lines[2] == "pictures  8 to learn from, 4 held back"
    assert lines[4].startswith("mIoU      ")
    assert "nothing learned or left out" in lines[4]
    assert lines[5].startswith("agreement ")
    assert lines[5].endswith(" with teacher.pth, nothing left out")
    inspected = segpp("inspect", out).stdout
    assert "trained" in inspected
    words = " ".join(inspected.split())
    assert "from teacher.pth" in words
    assert "held back agreement" in words
    exported = segpp("export", out, tmp_path / "o.onnx", "--size", "64x64", "--no-check")
    assert "tuned.pth was trained for another export: 1.q bsm" in exported.stdout


def test_channels_that_are_left_out_are_trained_without(
    segpp: Command, wide_teacher: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tuned.pth"
    gates = ("--reduce", "3.hidden=fixed:keep=0.5", "--reduce", "2.hidden=dynamic:keep=0.5")

    done = segpp(*call(wide_teacher, data, out, *gates, "--json"))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [site["method"] for site in told["channels"]] == ["dynamic", "fixed"]
    exported = segpp("export", out, tmp_path / "o.onnx", "--size", "64x64", *gates, "--no-check")
    assert exported.returncode == 0, exported.stderr
    assert "was trained for another export" not in exported.stdout


def test_a_data_set_has_labels_of_its_own_and_the_part_to_learn_from(
    segpp: Command, teacher: Path, data: Path, tmp_path: Path
) -> None:
    for part, many in (("train", slice(0, 9)), ("val", slice(0, None))):
        for kind in ("images", "labels"):
            (tmp_path / "set" / part / kind).mkdir(parents=True)
            for path in sorted((data / kind).iterdir())[many]:
                path.rename(tmp_path / "set" / part / kind / path.name)
    arguments = ["train", teacher, tmp_path / "set", "-o", tmp_path / "tuned.pth"]

    done = segpp(*arguments, "--size", "64x64", *OWN, "--eval", tmp_path / "set", "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["learned"] + told["held_back"] == 9
    assert told["miou"]["pictures"] == "3 pictures with labels"


def test_a_teacher_besides_keeps_the_weights_nearer_to_its_masks(
    segpp: Command, teacher: Path, data: Path, tmp_path: Path
) -> None:
    found = []
    for name, more in (("alone", ()), ("taught", ("--distil-weight", "20"))):
        done = segpp(*call(teacher, data, tmp_path / f"{name}.pth", "--json", *more))
        assert done.returncode in {0, 1}, done.stderr
        found.append(json.loads(done.stdout)["history"][-1][2])

    assert found[1] < found[0]


def test_labels_that_do_not_count_are_not_learned(
    segpp: Command, teacher: Path, data: Path, tmp_path: Path
) -> None:
    """Whatever the labels of a class are, without it the weights are the same."""
    made = []
    for name, stands_for in (("one", 5), ("other", 4)):
        for path in (data / "labels").iterdir():
            labels = np.asarray(Image.open(path)).copy()
            labels[20:40] = stands_for
            Image.fromarray(labels).save(path)
        out = tmp_path / f"{name}.pth"
        done = segpp(*call(teacher, data, out, "--ignore", "4,5,255"))
        assert done.returncode == 0, done.stderr
        made.append(weights_of(out))

    assert_same(*made)


def test_weights_that_got_no_better_are_not_written(
    segpp: Command, teacher: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tuned.pth"
    segpp(*call(teacher, data, out))
    # Steps so large that they destroy it, and none that a check could find before.
    harm = ("--learning-rate", "1", "--check-every", "40")

    done = segpp(*call(out, data, tmp_path / "b.pth", *harm))

    assert done.returncode == 1
    assert "error: the weights got no better: mIoU " in done.stderr
    assert "on the pictures held back before, and mIoU " in done.stderr
    assert not (tmp_path / "b.pth").exists()


# --- goes on


def test_one_that_was_stopped_ends_with_the_same_weights(
    segpp: Command, teacher: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.pth", tmp_path / "stopped.pth"
    more = (*SMALL[2:], "--distil-weight", "0.5")
    assert segpp(*call(teacher, data, whole, *more)).returncode == 0
    judge, calls = Judge.__call__, iter(range(99))

    def stopped(self: Judge, student: torch.nn.Module) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return judge(self, student)

    with monkeypatch.context() as patched:
        patched.setattr(Judge, "__call__", stopped)
        first = segpp(*call(teacher, data, out, *more))
    other = segpp(*call(teacher, data, out, *more, "--ignore", "5,255"))
    distilled = segpp("distill", teacher, data / "images", "-o", out, *SMALL, *OWN)
    second = segpp(*call(teacher, data, out, *more))

    assert (first.returncode, second.returncode) == (130, 0), (first.stderr, second.stderr)
    assert (other.returncode, distilled.returncode) == (2, 2)
    assert "label_rules: " in other.stderr
    assert "learned_from: labels there, none now" in distilled.stderr
    assert "going on after 20 steps" in second.stderr
    assert_same(weights_of(out), weights_of(whole))


@pytest.mark.slow
def test_two_processes_with_half_a_batch_learn_what_one_learns_with_the_whole(
    segpp: Command, teacher: Path, data: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.pth", tmp_path / "two.pth"
    more = (*SMALL[2:], "--threads", "1", "--batch", "4", "--distil-weight", "0.5")
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]

    alone = segpp(*call(teacher, data, one, *more))
    command = [sys.executable, *launch, "-m", "segpp", *map(str, call(teacher, data, two, *more))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert (alone.returncode, done.returncode) == (0, 0), (alone.stderr, done.stderr)
    results = [json.loads(Path(f"{path}.json").read_text()) for path in (one, two)]
    assert [result["processes"] for result in results] == [1, 2]
    assert results[0]["before"]["miou"] == pytest.approx(results[1]["before"]["miou"])
    before, ours, theirs = (weights_of(path) for path in (teacher, one, two))
    # Biases of keys change no softmax: their gradients are rounding alone.
    names = [name for name in ours if not name.endswith("attention.k.bias")]
    moved = [float((ours[name] - before[name]).abs().mean()) for name in names]
    apart = [float((ours[name] - theirs[name]).abs().mean()) for name in names]
    assert max(apart) < 1e-2 * max(moved)


# --- what it refuses


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("none.pth images labels -o out.pth", "checkpoint none.pth does not exist"),
        ("t.pth images none -o out.pth", "none"),
        ("t.pth images -o out.pth", "images is of no known layout, so there are no labels"),
        ("t.pth images labels -o t.pth", "t.pth is the checkpoint to begin with itself"),
        ("t.pth images labels -o out.safetensors", "name it out.pth"),
        ("t.pth images labels -o out.pth --split val", "is a part of a data set"),
        ("t.pth images labels -o out.pth --label-suffix _L", "_L"),
        ("t.pth images labels -o out.pth --distil-weight -1", "--distil-weight"),
        ("t.pth images labels -o out.pth --temperature 1e9", "expected: 0.01 to 100"),
        ("t.pth images labels -o out.pth --temperature 4", "--distil-weight is 0"),
        ("t.pth images labels -o out.pth --ignore 0,1,2,3,4,5,255", "say nothing of the network"),
        ("t.pth images labels -o labels/frame_000.png --force", "is one of the labels"),
        ("t.pth images labels -o out.pth --minutes 1 --steps 1", "--steps both say"),
        ("t.pth images labels -o out.pth --reduce 5.q=bsm", "5.q"),
        ("t.pth images labels -o out.pth --ignore 4,x", "is no list of labels"),
        ("t.pth images labels -o out.pth --ignore 1", "which is no class"),
        ("t.pth images labels -o images/frame_000.png --force", "is one of the pictures"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    segpp: Command, arguments: str, told: str, *, teacher: Path, data: Path
) -> None:
    (data / "t.pth").write_bytes(teacher.read_bytes())
    before = sorted(data.rglob("*"))

    done = segpp("train", *arguments.split(), "--size", "64x64", cwd=data)

    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert told in done.stderr
    assert sorted(data.rglob("*")) == before


def test_a_picture_without_labels_is_named(
    segpp: Command, teacher: Path, data: Path, tmp_path: Path
) -> None:
    (data / "labels" / "frame_003.png").unlink()

    done = segpp(*call(teacher, data, tmp_path / "tuned.pth"))

    assert done.returncode == 2
    assert "1 of 12 files have no labels in" in done.stderr
    assert "frame_003.png" in done.stderr


def test_a_report_of_either_training_may_be_replaced_by_the_other(
    segpp: Command, teacher: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"
    reduce = [word for text in REDUCE for word in ("--reduce", text)]

    first = segpp("distill", teacher, data / "images", "-o", out, *SMALL, *QUICK)
    second = segpp(*call(teacher, data, out, *reduce))

    assert (first.returncode, second.returncode) == (0, 0), (first.stderr, second.stderr)
    assert json.loads((tmp_path / "student.pth.json").read_text())["kind"] == "training"
