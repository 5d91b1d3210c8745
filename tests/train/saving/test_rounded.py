"""Tests saving/rounded.py: what is told of a student is true of the weights in its file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.config.feeding import resolve_input
from segpp.export.config.merging import resolve_reduction
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.reduction.config import ReductionChoice
from segpp.ops.grid import Size
from segpp.train.config import DistillConfig
from segpp.train.learning.judge import Judge
from segpp.train.learning.world import World
from segpp.train.pictures.find import find_pictures
from segpp.train.pictures.reading import Reader
from segpp.train.pictures.split import split
from segpp.train.saving.rounded import rounded
from segpp.train.saving.student import layout_of
from segpp.utils.files import atomic_write
from tests.helpers.checkpoints import MINIATURE, assert_same, lively, ours
from tests.helpers.commands import Completed
from tests.train.conftest import REDUCE, call


def saved(path: Path, kind: torch.dtype) -> Path:
    """The teacher of these tests, in numbers of another type."""
    state = state_dict_for("mmsegmentation", lively(ours(replace(MINIATURE, classes=6))))
    torch.save({name: tensor.to(kind) for name, tensor in state.items()}, path)
    return path


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_rounded_weights_are_those_that_a_file_of_them_is_read_as(
    kind: torch.dtype, tmp_path: Path
) -> None:
    layout = layout_of(saved(tmp_path / "teacher.pth", kind), ReadChoices())
    state = {name: tensor * 1.001 + 0.5 for name, tensor in layout.checkpoint.state.items()}

    found = rounded(layout, state)

    out = tmp_path / "student.pth"
    with atomic_write(out) as parts:
        layout.write(state, parts)
    assert_same(found, dict(load_checkpoint(out).state))
    is_coarse = torch.finfo(kind).bits < torch.finfo(torch.float32).bits
    assert any(not torch.equal(found[name], state[name]) for name in state) is is_coarse


def test_a_student_in_half_precision_is_told_as_its_file_judges(
    segpp: Callable[..., Completed], film: Callable[..., Path], tmp_path: Path
) -> None:
    teacher, out = saved(tmp_path / "teacher.pth", torch.bfloat16), tmp_path / "student.pth"
    frames = film()

    done = segpp(*call(teacher, frames, out, "--json"))

    assert done.returncode == 0, done.stderr
    choice = ReductionChoice(reduce=REDUCE)
    config = DistillConfig(teacher, out, (str(frames),), choice, size=Size(64, 64))
    source, student = load_checkpoint(teacher), load_checkpoint(out)
    spec = resolve_input(config.export, source)
    held = split(find_pictures(config.pictures)[0], 0.3).held
    judge = Judge(source.build(), held, Reader(spec), World(), 2, source.align_corners)
    found = judge(student.build().apply_reductions(resolve_reduction(config.export, source, spec)))
    told = json.loads(done.stdout)["after"]
    # One rounding of FP32 where another number of threads adds in another order.
    assert told["agreement"] == pytest.approx(found.agreement, abs=1e-6)
    assert told["divergence"] == pytest.approx(found.divergence, rel=1e-3)
