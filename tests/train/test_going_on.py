"""A training that is stopped or killed goes on as if it never was; several processes are one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.export.checkpoints.safe_unpickle import read_pickle
from segpp.export.models.loading import load_checkpoint
from tests.conftest import corners
from tests.helpers.checkpoints import assert_same
from tests.helpers.commands import Completed
from tests.train.conftest import call, weights_of

Command = Callable[..., Completed]

KILLS = 5
Film = Callable[..., Path]


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


def wait_for(path: Path, process: "subprocess.Popen[str]", *, since: int = 0) -> None:
    """Wait until a file is written, or written again, or the process is over."""
    while changed(path) == since and process.poll() is None:
        time.sleep(0.02)


def changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.slow
def test_a_training_that_is_killed_again_and_again_ends_as_if_it_never_was(
    segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames, whole, out = film(), tmp_path / "whole.pth", tmp_path / "killed.pth"
    long = ("--steps", "120", "--check-every", "7", "--patience", "99", "--threads", "1")
    assert segpp(*call(teacher, frames, whole, *long)).returncode == 0
    draw = random.Random(3)  # noqa: S311 - when to kill is no secret
    state, kills = tmp_path / "killed.pth.resume", 0

    for _ in range(KILLS):
        before = changed(state)
        process = started(call(teacher, frames, out, *long))
        wait_for(state, process, since=before)
        time.sleep(draw.uniform(0, 0.2))
        kills += process.poll() is None
        process.kill()
        process.communicate()
        if out.exists():
            load_checkpoint(out)
        elif state.exists():
            read_pickle(state)
    ended = started(call(teacher, frames, out, *long))
    told = ended.communicate()

    assert kills == KILLS, "it was over before it could be killed"
    assert ended.returncode == 0, told
    assert_same(weights_of(out), weights_of(whole))
    results = [json.loads(Path(f"{path}.json").read_text()) for path in (whole, out)]
    assert results[0]["history"] == results[1]["history"]
    assert not state.exists()
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert left == []


@pytest.mark.parametrize("number", corners((signal.SIGINT, signal.SIGTERM), signal.SIGTERM.__eq__))
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

# Channels that are fixed and that images choose, and steps in which masks do not count.
GATES = (
    *("--reduce", "3.hidden=fixed:keep=0.5", "--reduce", "2.hidden=dynamic:keep=0.5"),
    *("--stages-alone", "0.3"),
)


@pytest.mark.slow
@pytest.mark.parametrize("gates", [(), GATES], ids=["tokens", "channels"])
def test_two_processes_with_half_a_batch_learn_what_one_learns_with_the_whole(
    gates: tuple[str, ...], segpp: Command, teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames, one, two = film(), tmp_path / "one.pth", tmp_path / "two.pth"
    more = ("--threads", "1", "--batch", "4", *gates)
    arguments = call(teacher, frames, two, *more)
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]

    alone = segpp(*call(teacher, frames, one, *more))
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


def launched(
    teacher: Path, frames: Path, out: Path, *, held_up: str
) -> tuple["subprocess.Popen[str]", dict[int, int]]:
    """Start two processes, and return torchrun's and theirs by rank once both are in training."""
    code = (
        "import os, sys; from pathlib import Path; from segpp.train.learning.loop import Training; "
        f"own = Path({str(held_up)!r}) / os.environ['RANK']; tell = Training._tell; "
        "Training._tell = lambda self: "
        "(own.exists() or (own.with_suffix('.part').write_text(str(os.getpid())), "
        "own.with_suffix('.part').rename(own)), tell(self)); "
        "from segpp.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    script = Path(held_up) / "distil.py"
    script.write_text(code)
    endless = ("--steps", "100000", "--patience", "99999", "--threads", "1")
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(script)]
    command = [sys.executable, *launch, *map(str, call(teacher, frames, out, *endless))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for rank in ("0", "1"):
        wait_for(Path(held_up) / rank, process)
    time.sleep(0.5)
    return process, {rank: int((Path(held_up) / str(rank)).read_text()) for rank in (0, 1)}


@pytest.mark.slow
def test_where_another_process_is_killed_the_last_step_is_kept_and_told(
    teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames, out = film(), tmp_path / "student.pth"
    (folder := tmp_path / "ranks").mkdir()
    process, ranks = launched(teacher, frames, out, held_up=str(folder))

    os.kill(ranks[1], signal.SIGKILL)
    _, told = process.communicate(timeout=120)

    step = read_pickle(Path(f"{out}.resume"))["step"]
    assert f"stopped after {step} steps; the same command goes on" in told
    ours = told.partition("torch.distributed.elastic")[0]
    # What comes first, the other's end or torchrun's SIGTERM because of it, is what is told.
    ends = ("process 0 of 2 cannot go on: most likely another one ended", "error: interrupted")
    assert any(end in ours for end in ends), ours
    assert "[rank0]: Traceback" not in told
    assert "Warning" not in ours


@pytest.mark.slow
def test_what_waits_for_another_process_keeps_the_last_step_when_it_is_stopped(
    teacher: Path, film: Film, tmp_path: Path
) -> None:
    frames, out = film(), tmp_path / "student.pth"
    (folder := tmp_path / "ranks").mkdir()
    process, ranks = launched(teacher, frames, out, held_up=str(folder))
    os.kill(ranks[1], signal.SIGSTOP)
    time.sleep(1)

    os.kill(ranks[0], signal.SIGTERM)
    wait_for(Path(f"{out}.resume"), process)
    os.kill(ranks[1], signal.SIGKILL)
    _, told = process.communicate(timeout=120)

    step = read_pickle(Path(f"{out}.resume"))["step"]
    assert f"stopped after {step} steps; the same command goes on" in told


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
