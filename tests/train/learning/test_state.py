"""The state of a training comes back as it was, and nothing in its file is believed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckError, InputError
from segpp.train.learning.judged import Judged
from segpp.train.learning.keeper import Keeper
from segpp.train.learning.loop import DivergedError
from segpp.train.learning.state import Progress, read_state, write_state
from segpp.train.learning.world import World
from tests.core.utils.test_files import largest_file

LIKE = {"a.weight": torch.zeros(3, 2), "b.bias": torch.zeros(4)}


def made(**changes: Any) -> Progress:
    weights = {name: torch.rand(tensor.shape) for name, tensor in LIKE.items()}
    progress = Progress(
        {"batch": "4", "seed": "0"}, "fp32", Judged(0.5, 0.4), weights, Judged(0.6, 0.3)
    )
    progress.step, progress.seconds, progress.best_step = 17, 2.5, 10
    progress.kept = {name: tensor + 1 for name, tensor in weights.items()}
    progress.moments = {n: {"exp_avg": t * 2, "exp_avg_sq": t * 3} for n, t in weights.items()}
    progress.history = [(10, 0.6, 0.3)]
    for name, value in changes.items():
        setattr(progress, name, value)
    return progress


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    path, progress = tmp_path / "s.resume", made()

    write_state(path, progress)
    read = read_state(path, LIKE)

    assert same(read.student, progress.student)
    assert same(read.kept, progress.kept)
    assert same(read.moments["a.weight"], progress.moments["a.weight"])
    told = ("settings", "precision", "start", "best", "step", "seconds", "best_step", "history")
    assert [getattr(read, name) for name in told] == [getattr(progress, name) for name in told]


def test_a_scale_of_losses_comes_back_as_it_was(tmp_path: Path) -> None:
    scale = torch.amp.GradScaler("cpu").state_dict()
    write_state(tmp_path / "s.resume", made(precision="fp16", scale=scale))

    assert read_state(tmp_path / "s.resume", LIKE).scale == scale


def _without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(key)  # type: ignore[return-value]  # what is popped


def _with(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update({key: value})


@pytest.mark.parametrize(
    "spoil",
    [
        *map(_without, ("segpp", "schema", "settings", "student", "moments", "best", "step")),
        _with("schema", 2),
        _with("settings", {"batch": 4}),
        _with("precision", "int8"),
        _with("step", -1),
        _with("step", True),
        _with("seconds", float("nan")),
        _with("seconds", float("inf")),
        _with("start", [0.5]),
        _with("start", [float("nan"), 0.1]),
        _with("history", [[1, 2]]),
        _with("history", "long"),
        _with("student", {}),
        _with("student", {"a.weight": torch.zeros(3, 2), "b.bias": torch.zeros(5)}),
        _with("student", {"a.weight": torch.zeros(3, 2), "b.bias": torch.zeros(4).half()}),
        _with("student", {"a.weight": torch.zeros(3, 2), "b.bias": torch.zeros(4) / 0}),
        _with("student", {"a.weight": torch.zeros(3, 2), "b.bias": torch.zeros(4).to_sparse()}),
        _with("student", {"a.weight": torch.zeros(3, 2), "b.bias": [0, 0, 0, 0]}),
        _with("kept", {"a.weight": torch.zeros(3, 2)}),
        _with("moments", {"a.weight": {"exp_avg": torch.zeros(3, 2)}}),
        _with("scale", {"growth": "much"}),
        _with("scale", {"scale": 2.0}),
        _with("scale", {**torch.amp.GradScaler("cpu").state_dict(), "scale": 0.0}),
        _with("step", 10**400),
        _with("best", [1.5, 0.1]),
        _with("start", [0.5, 0.1, 0.2]),
        _with("moments", {n: {"exp_avg": t, "exp_avg_sq": t - 1} for n, t in LIKE.items()}),
        _with("kept", torch.zeros(2_000_000)),
    ],
)
def test_a_state_that_is_not_as_it_was_written_is_refused(
    spoil: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    path = tmp_path / "s.resume"
    write_state(path, made())
    content = torch.load(path, weights_only=True)  # noqa: TID251 - written a moment ago
    spoil(content)
    torch.save(content, path)

    with pytest.raises(InputError, match=r"is no training that can be gone on with\n.*\n.*restart"):
        read_state(path, LIKE)


class _Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("attacked"),))


def test_a_state_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"segpp": "distillation", "attack": _Attack()}, tmp_path / "s.resume")

    with pytest.raises(InputError, match="no training that can be gone on with"):
        read_state(tmp_path / "s.resume", LIKE)

    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04cut"])
def test_other_files_are_no_state(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.resume").write_bytes(content)

    with pytest.raises(InputError, match=r"no training that can be gone on with\n.*\n.*restart"):
        read_state(tmp_path / "s.resume", LIKE)


def test_a_file_larger_than_any_state_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "s.resume").open("wb") as file:
        # It takes no room, and no memory has that much.
        file.truncate(1 << 42)

    with pytest.raises(InputError, match=r"no training that can be gone on with\n  it is 4,398,0"):
        Keeper(tmp_path / "s.resume", World()).found({}, LIKE, restart=False)


def test_other_settings_are_told_and_a_restart_does_not_ask(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "s.resume", World())
    keeper.write(made())
    asked = {"batch": "8", "seed": "0"}

    with pytest.raises(InputError, match=r"17 steps with other settings\n  batch: 4 there, 8 now"):
        keeper.found(asked, LIKE, restart=False)
    assert keeper.found(asked, LIKE, restart=True) is None
    assert keeper.found({"batch": "4", "seed": "0"}, LIKE, restart=False) is not None


def test_a_keeper_writes_now_and_then_and_cleans_up(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "s.resume", World(), every=1000)

    keeper(made())
    assert not keeper.path.exists()
    keeper._next = 0
    keeper(made())
    assert keeper.path.exists()
    keeper.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_once_and_training_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = Keeper(tmp_path / "s.resume", World(), every=0)
    keeper._next = 0

    with largest_file(1000):
        keeper(made())
        keeper(made())
    told = capsys.readouterr().err
    left = list(tmp_path.iterdir())
    keeper(made())

    assert told == (
        f"cannot write {keeper.path}: File too large; training goes on, and tries again\n"
    )
    assert left == []
    assert read_state(keeper.path, LIKE).step == 17


def test_a_last_step_that_the_disk_does_not_take_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = Keeper(tmp_path / "s.resume", World(), every=1000)

    with largest_file(1000), pytest.raises(KeyboardInterrupt), keeper.until_the_end(made):
        raise KeyboardInterrupt

    told = f"the last step is not kept: cannot write {keeper.path}: File too large\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("end", [RuntimeError("Connection reset"), KeyboardInterrupt(), OSError()])
def test_whatever_ends_a_training_leaves_its_last_step(
    end: BaseException, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = Keeper(tmp_path / "s.resume", World(), every=1000)

    with pytest.raises(type(end)), keeper.until_the_end(made):
        raise end

    assert read_state(keeper.path, LIKE).step == 17
    assert capsys.readouterr().err == "stopped after 17 steps; the same command goes on\n"


def test_a_loss_that_is_no_number_and_half_a_step_are_nothing_to_go_on_with(
    tmp_path: Path,
) -> None:
    def half() -> Progress:
        raise CheckError("the step after 17 is done by half")

    keeper = Keeper(tmp_path / "s.resume", World(), every=1000)

    with pytest.raises(DivergedError), keeper.until_the_end(made):
        raise DivergedError("the loss is nan")
    with pytest.raises(RuntimeError), keeper.until_the_end(half):
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_of_several_processes_the_first_alone_writes(tmp_path: Path) -> None:
    Keeper(tmp_path / "s.resume", World(rank=1, size=2)).write(made())

    assert list(tmp_path.iterdir()) == []
