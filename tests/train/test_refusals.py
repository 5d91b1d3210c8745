"""What a distillation refuses before any work, and what it replaces."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.helpers.commands import Completed
from tests.train.conftest import SMALL, call

Command = Callable[..., Completed]
Film = Callable[..., Path]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("distill none.pth film -o out.pth --preset fast", "checkpoint none.pth does not exist"),
        ("distill t.pth film -o out.pth", "no tokens are merged and no channels left out, so"),
        ("distill t.pth film -o out.pth --preset none", "nothing to win back"),
        ("distill t.pth film -o out.pth --reduce 3.hidden=fixed:keep=1", "nothing to win back"),
        ("distill t.pth film -o out.pth --ratio 0", "nothing to win back"),
        ("distill t.pth film -o out.pth --ratio 0.0001", "nothing to win back"),
        ("distill t.pth film -o out.pth --reduce 3.q=bsm:ratio=0", "nothing to win back"),
        (
            "distill t.pth film -o out.pth --preset 2x2 --match-interval auto",
            "as --match-interval 2",
        ),
        ("distill t.pth film -o out.pth --preset 2x2 --match-interval x", "argument --match-inter"),
        ("distill t.pth film -o out.pth --preset 2x2 --temperature 1e30", "expected: 0.01 to 100"),
        ("distill t.pth film -o out.pth --preset 2x2 --minutes 0", "expected: more than 0\n"),
        ("distill t.pth film -o out.pth --reduce 5.hidden=fixed", "'5.hidden' is no place"),
        ("distill t.pth film -o out.pth --preset 2x2 --gate-weight 1", "--gate-weight 1 and no"),
        ("distill t.pth film -o out.pth --preset 2x2 --stages-alone 1", "--stages-alone 1"),
        (
            "distill t.pth film -o out.pth --reduce 3.hidden=dynamic --reduce 3.ffn=bsm:ratio=0.5",
            "3.hidden cannot choose channels for each image where 3.ffn merges tokens",
        ),
        ("distill t.pth none -o out.pth --preset 2x2", "picture(s) are too few to train with"),
        ("distill t.pth empty -o out.pth --preset 2x2", "empty names no pictures"),
        ("distill t.pth film -o t.pth --preset 2x2", "t.pth is the teacher itself"),
        ("distill t.pth film -o other.pth --preset 2x2", "is not a checkpoint that segpp wrote"),
        ("distill t.pth film -o no/out.pth --preset 2x2", "cannot write no/out.pth"),
        ("distill t.pth film -o film --preset 2x2", "film is a folder"),
        (
            "distill t.pth film -o film/frame_000.png --force --preset 2x2",
            "film/frame_000.png is one of the pictures",
        ),
        ("distill t.pth film -o out.safetensors --preset 2x2", "name it out.pth"),
        ("distill t.pth film -o out.pth --preset fast --size 64x64", "stage 1, kv: bsm"),
        ("distill t.pth film -o out.pth --preset 2x2 --device tpu", "unknown device 'tpu'"),
        ("distill t.pth film -o out.pth --preset 2x2 --precision fp8", "unknown precision 'fp8'"),
        ("distill t.pth film -o out.pth --preset 2x2 --minutes 1 --steps 1", "--steps both say"),
        ("distill t.pth film -o out.pth --preset 2x2 --held-back 0.99", "--held-back 0.99"),
        ("distill t.pth film -o out.pth --preset 2x2 --eval film", "of no known layout"),
        ("distill t.pth film -o out.pth --preset 2x2 --learning-rate 0", "--learning-rate 0"),
        (
            f"distill t.pth film -o out.pth --preset 2x2 --seed {1 << 63}",
            "whole number from 0 to 9",
        ),
        (
            f"distill t.pth film -o out.pth --preset 2x2 --match-interval {1 << 31}",
            "--match-interval is 2147483648",
        ),
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
