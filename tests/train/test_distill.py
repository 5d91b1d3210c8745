"""``segpp-distill`` on a small network: what it writes, what it says, and how it goes on."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from segpp.export.checkpoints.safe_unpickle import read_pickle
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.loading import state_dict_for
from tests.helpers.checkpoints import MINIATURE, assert_same, lively, ours
from tests.helpers.commands import Completed, python_without
from tests.train.conftest import QUICK, SMALL

Command = Callable[..., Completed]
Film = Callable[..., Path]


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).state


def call(teacher: Path, film: Path, out: Path, *more: object) -> list[object]:
    return ["distill", teacher, film, "-o", out, *SMALL, *QUICK, "--precision", "fp32", *more]


# --- what it does


def test_a_student_agrees_better_and_lies_as_its_teacher(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"

    done = segpp(*call(teacher, film(), out, "--json"))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["after"]["agreement"] > told["before"]["agreement"]
    assert told["after"]["divergence"] < told["before"]["divergence"]
    assert told == json.loads((tmp_path / "student.pth.json").read_text())
    assert (told["steps"], told["learned"], told["held_back"]) == (12, 8, 4)
    assert [step for step, *_ in told["history"]] == [4, 8, 12]
    before, student = weights_of(teacher), weights_of(out)
    frozen = [n for n in before if "running" in n]
    assert frozen
    for name, tensor in before.items():
        assert torch.equal(tensor, student[name]) is (name in frozen), name
    assert {path.name for path in tmp_path.iterdir()} == {"film", out.name, f"{out.name}.json"}


def test_the_student_is_exported_as_its_teacher_is(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"
    segpp(*call(teacher, film(), out))

    done = segpp("export", out, tmp_path / "student.onnx", *SMALL)

    assert done.returncode == 0, done.stderr


def test_it_needs_no_more_than_its_extra_brings(teacher: Path, film: Film, tmp_path: Path) -> None:
    code = "import sys; from segpp.cli import main; sys.exit(main(sys.argv[1:]))"
    others = ("onnx", "onnxruntime", "onnxscript", "onnx_ir", "openvino", "av", "matplotlib")

    done = python_without(others, code, *call(teacher, film(), tmp_path / "student.pth"))

    assert done.returncode == 0, done.stderr


def test_minutes_end_it_with_time_for_the_last_check(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    timed = ("--minutes", "0.05", "--batch", "2", "--learning-rate", "0.0005", "--held-back", "0.3")

    done = segpp("distill", teacher, film(), "-o", tmp_path / "s.pth", *SMALL, *timed, "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] >= 1
    # A step and a check take a fraction of a second, on a busy machine a few of them.
    assert told["seconds"] < 3 + 3
    assert told["history"][-1][0] == told["steps"]


def test_a_folder_of_hugging_face_becomes_a_folder(
    segpp: Command, film: Film, tmp_path: Path
) -> None:
    made = tmp_path / "teacher.v1"
    made.mkdir()
    config = {"model_type": "segformer", "num_attention_heads": [1, 2, 5, 8], "hidden_act": "gelu"}
    (made / "config.json").write_text(json.dumps(config))
    state = lively(ours(replace(MINIATURE, classes=6, head="linear")))
    save_file(state_dict_for("huggingface", state), made / "model.safetensors")
    out = tmp_path / "student.v2"

    done = segpp(*call(made, film(), out))
    again = segpp(*call(made, tmp_path / "film", out))

    assert done.returncode == again.returncode == 0, (done.stderr, again.stderr)
    assert {path.name for path in out.iterdir()} == {"config.json", "model.safetensors"}
    assert (tmp_path / "student.v2.json").is_file()


def test_the_report_is_for_a_person(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    done = segpp(*call(teacher, film(), tmp_path / "student.pth"))

    lines = done.stdout.splitlines()
    assert lines[0].startswith("wrote     student.pth  ")
    assert lines[1].startswith("merging   1.q=bsm:ratio=0.75,sy=2,sx=2,window=0, 2.q=bsm")
    assert lines[2] == "pictures  8 to learn from, 4 held back"
    assert "warning: 12 pictures are few" in done.stderr


def test_labels_are_scored_where_there_are_any(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    from PIL import Image  # noqa: PLC0415 - for this alone

    data = tmp_path / "data"
    (data / "labels").mkdir(parents=True)
    film("data/images")
    for path in (data / "images").iterdir():
        Image.new("L", (96, 64), 3).save(data / "labels" / path.name)

    trained_on = segpp(*call(teacher, data, tmp_path / "a.pth", "--json"))
    beside = segpp(*call(teacher, film(), tmp_path / "b.pth", "--json", "--eval", data))

    for done, what in ((trained_on, "4 pictures held back"), (beside, "12 pictures with labels")):
        assert done.returncode == 0, done.stderr
        miou = json.loads(done.stdout)["miou"]
        assert miou["pictures"] == what
        assert all(0 <= miou[key] <= 1 for key in ("teacher", "before", "after"))


def test_one_bad_picture_does_not_end_it(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames = film()
    (frames / "frame_001.png").write_bytes(b"\x89PNG broken")
    (frames / "frame_005.png").write_bytes(b"\x89PNG held back, and broken")

    done = segpp(*call(teacher, frames, tmp_path / "student.pth"))

    assert done.returncode == 0, done.stderr
    for name in ("frame_001", "frame_005"):
        assert f"warning: left out: {frames / name}.png" in done.stderr


def test_pictures_that_are_all_alike_are_told(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames = film()
    first = (frames / "frame_000.png").read_bytes()
    for path in frames.iterdir():
        path.write_bytes(first)

    done = segpp(*call(teacher, frames, tmp_path / "student.pth"))

    assert "warning: the pictures are all alike" in done.stderr


def test_a_student_that_got_no_better_is_not_written(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"
    # Steps so large that they destroy it, and none that a check could find before.
    harm = ("--learning-rate", "1.0", "--check-every", "12")

    done = segpp(*call(teacher, film(), out, *harm))

    assert done.returncode == 1
    assert "error: the student got no better" in done.stderr
    assert done.stdout.startswith("wrote     nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["film"]


# --- what it refuses, before any work


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("distill none.pth film -o out.pth --preset fast", "checkpoint none.pth does not exist"),
        ("distill t.pth film -o out.pth", "no tokens are merged, so there is nothing to win back"),
        ("distill t.pth film -o out.pth --preset none", "nothing to win back"),
        ("distill t.pth none -o out.pth --preset 2x2", "picture(s) are too few to distil with"),
        ("distill t.pth empty -o out.pth --preset 2x2", "empty names no pictures"),
        ("distill t.pth film -o t.pth --preset 2x2", "t.pth is the teacher itself"),
        ("distill t.pth film -o other.pth --preset 2x2", "is not a checkpoint that segpp wrote"),
        ("distill t.pth film -o no/out.pth --preset 2x2", "cannot write no/out.pth"),
        ("distill t.pth film -o film --preset 2x2", "film is a folder"),
        ("distill t.pth film -o out.safetensors --preset 2x2", "name it out.pth"),
        ("distill t.pth film -o out.pth --preset fast --size 64x64", "stage 1, kv: bsm"),
        ("distill t.pth film -o out.pth --preset 2x2 --device tpu", "unknown device 'tpu'"),
        ("distill t.pth film -o out.pth --preset 2x2 --precision fp8", "unknown precision 'fp8'"),
        ("distill t.pth film -o out.pth --preset 2x2 --minutes 1 --steps 1", "--steps both say"),
        ("distill t.pth film -o out.pth --preset 2x2 --held-back 0.99", "--held-back 0.99"),
        ("distill t.pth film -o out.pth --preset 2x2 --eval film", "of no known layout"),
        ("distill t.pth film -o out.pth --preset 2x2 --learning-rate 0", "--learning-rate 0"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    segpp: Command,
    arguments: str,
    told: str,
    *,
    teacher: Path,
    film: Film,
    tmp_path: Path,
) -> None:
    film()
    (tmp_path / "t.pth").write_bytes(teacher.read_bytes())
    (tmp_path / "other.pth").write_bytes(b"somebody's")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))

    done = segpp(*arguments.split(), *(() if "--size" in arguments else SMALL[:2]), cwd=tmp_path)

    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert told in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_gpu_one_is_missing(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")

    done = segpp(*call(teacher, film(), tmp_path / "s.pth", "--device", "cuda"))

    assert done.returncode == 3
    assert "there is no GPU that this PyTorch can use" in done.stderr


def test_its_own_student_is_replaced_and_no_other(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    out = tmp_path / "student.pth"
    arguments = call(teacher, film(), out)

    first, again = segpp(*arguments), segpp(*arguments)
    out.write_bytes(out.read_bytes() + b"changed")
    foreign = segpp(*arguments)

    assert (first.returncode, again.returncode, foreign.returncode) == (0, 0, 2)
    assert "is not a checkpoint that segpp wrote" in foreign.stderr


# --- stopped, and gone on with


def started(arguments: list[object], every: str = "0") -> "subprocess.Popen[str]":
    """Start a training that keeps its state after every step."""
    code = (
        "import sys; from segpp.train.learning import keeper; "
        f"keeper._EVERY_SECONDS = {every}; keeper._MOST_SHARE = 1e9; "
        "keeper.Keeper.__init__.__defaults__ = (0.0, *keeper.Keeper.__init__.__defaults__[1:]); "
        "from segpp.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    while not path.exists() and process.poll() is None:
        time.sleep(0.02)


@pytest.mark.slow
def test_a_training_that_is_killed_again_and_again_ends_as_if_it_never_was(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames, whole, out = film(), tmp_path / "whole.pth", tmp_path / "killed.pth"
    long = ("--steps", "40", "--check-every", "7", "--threads", "1")
    assert segpp(*call(teacher, frames, whole, *long)).returncode == 0
    draw = random.Random(3)  # noqa: S311 - when to kill is no secret
    state, kills = tmp_path / "killed.pth.resume", 0

    for _ in range(4):
        process = started(call(teacher, frames, out, *long))
        wait_for(state, process)
        time.sleep(draw.uniform(0, 2))
        kills += process.poll() is None
        process.kill()
        process.communicate()
        if out.exists():
            load_checkpoint(out)
        elif state.exists():
            read_pickle(state)
    ended = started(call(teacher, frames, out, *long))
    told = ended.communicate()

    assert kills, "it was over before it could be killed"
    assert ended.returncode == 0, told
    assert_same(weights_of(out), weights_of(whole))
    results = [json.loads(Path(f"{path}.json").read_text()) for path in (whole, out)]
    assert results[0]["history"] == results[1]["history"]
    assert not state.exists()
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert left == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_stopped_keeps_its_last_step(
    number: signal.Signals, segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames, out = film(), tmp_path / "student.pth"
    arguments = call(teacher, frames, out, "--steps", "4000", "--patience", "9999")
    process = started(arguments)
    wait_for(tmp_path / "student.pth.resume", process)
    time.sleep(0.3)

    process.send_signal(number)
    _, told = process.communicate()

    assert process.returncode == 130, told
    assert "the same command goes on" in told
    step = read_pickle(tmp_path / "student.pth.resume")["step"]
    assert f"stopped after {step} steps" in told
    other = segpp(*arguments, "--batch", "4")
    assert other.returncode == 2
    assert "batch: 2 there, 4 now" in other.stderr
    assert "hint: give the same to go on with it, or begin anew: --restart" in other.stderr
    anew = segpp(*call(teacher, frames, out, "--restart"))
    assert anew.returncode == 0, anew.stderr


# --- several processes


@pytest.mark.slow
def test_two_processes_with_half_a_batch_learn_what_one_learns_with_the_whole(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames, one, two = film(), tmp_path / "one.pth", tmp_path / "two.pth"
    arguments = call(teacher, frames, two, "--threads", "1", "--batch", "4")
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]

    alone = segpp(*call(teacher, frames, one, "--threads", "1", "--batch", "4"))
    command = [sys.executable, *launch, "-m", "segpp", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert alone.returncode == 0, alone.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote     two.pth") == 1
    results = [json.loads(Path(f"{path}.json").read_text()) for path in (one, two)]
    assert [result["processes"] for result in results] == [1, 2]
    before = weights_of(teacher)
    ours, theirs = weights_of(one), weights_of(two)
    # A softmax does not depend on the keys' biases: their gradient is rounding alone, of which
    # AdamW makes steps of full size.
    names = [name for name in ours if not name.endswith("attention.k.bias")]
    moved = [float((ours[name] - before[name]).abs().mean()) for name in names]
    apart = [float((ours[name] - theirs[name]).abs().mean()) for name in names]
    # Halves are summed in another order, a few roundings of FP32 at every step.
    assert max(apart) < 1e-2 * max(moved)


def test_a_batch_that_cannot_be_shared_is_told(
    segpp: Command,
    teacher: Path,
    film: Film,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")

    done = segpp(*call(teacher, film(), tmp_path / "s.pth", "--batch", "4"))

    assert done.returncode == 2
    assert "--batch 4 cannot be shared by 3 processes\n  hint: --batch 6" in done.stderr


# --- a trained network


@pytest.mark.slow
@pytest.mark.shared
def test_a_trained_network_wins_back_what_merging_costs(
    segpp: Command, shared: Path, tmp_path: Path
) -> None:
    teacher = shared / "checkpoints" / "segformer_b0_camvid_mmseg.pth"
    frames = shared / "camvid" / "train" / "images"

    done = segpp(
        *("distill", teacher, frames, "-o", tmp_path / "b0.pth", "--preset", "fast", "--json"),
        *("--size", "176x240", "--steps", "30", "--check-every", "15", "--held-back", "0.06"),
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # Measured: 12 steps win 1.4 points.
    assert told["after"]["agreement"] > told["before"]["agreement"] + 0.01
    assert load_checkpoint(tmp_path / "b0.pth").classes == load_checkpoint(teacher).classes
