"""All that a training is, between two of its steps, as one file.

    settings     what must be the same for a training to go on
    step         updates done
    seconds      time spent on them, checks included, over all starts
    precision    what they are computed in
    start, best  how the student did before the first and at the best check
    kept         the weights of the best check
    student      the weights now
    moments      AdamW's two averages of every weight
    scale        of losses in FP16
    history      what every check found
    channels     those that fixed gates keep

The order of pictures and how they are varied follow from the step, so no generator is kept.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segpp.errors import CheckpointError, InputError
from segpp.export.checkpoints.safe_unpickle import read_pickle
from segpp.train.learning.judged import Judged, judged_from
from segpp.train.saving.sink import save
from segpp.utils.files import atomic_write, check_file

__all__ = ["Progress", "check_state", "read_state", "write_state"]

_SCHEMA = 1
# Student, two moments and the best weights are four times the weights; settings are little.
_MOST_TIMES = 8
_MOST_BESIDE = 1 << 20
_MOMENTS = ("exp_avg", "exp_avg_sq")
# Of a check: agreement and divergence, where there are labels the mean IoU, of a policy two more.
_FOUND = (2, 3, 4)
# As what is told of a student may have; nobody lives to see so many.
_MOST_STEPS = 1 << 40
# What torch's GradScaler tells of itself.
_SCALE = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}

Tensors = dict[str, Tensor]


@dataclass
class Progress:
    """Where a training is.

    Attributes:
        settings: What must be the same for it to go on.
        precision: What steps are computed in.
        start: How the student did before the first step.
        student: Its weights by name; those in training, not copies.
        step: Updates done.
        seconds: Time spent on them.
        best: The best check; that before the first step until one is better.
        best_step: Its step.
        kept: The weights of the best check; empty while none was better than the start.
        moments: AdamW's averages by name of the weight.
        scale: What torch's GradScaler tells of itself; empty without one.
        history: Step of every check, and the numbers that it found.
        checks_since_best: How many were not better in a row.
        check_seconds: What the last check took.
        channels: Those that fixed gates keep, as hexadecimal digits by block and layers.
    """

    settings: Mapping[str, str]
    precision: str
    start: Judged
    student: Tensors
    best: Judged
    step: int = 0
    seconds: float = 0.0
    best_step: int = 0
    kept: Tensors = field(default_factory=dict)
    moments: dict[str, Tensors] = field(default_factory=dict)
    scale: dict[str, Any] = field(default_factory=dict)
    history: list[tuple[float, ...]] = field(default_factory=list)
    checks_since_best: int = 0
    check_seconds: float = 0.0
    channels: Mapping[str, str] = field(default_factory=dict)


def write_state(path: Path, progress: Progress) -> None:
    """Write a state whole or not at all."""
    content = {
        "segpp": "distillation",
        "schema": _SCHEMA,
        "settings": dict(progress.settings),
        "precision": progress.precision,
        "start": list(progress.start.numbers),
        "best": list(progress.best.numbers),
        "step": progress.step,
        "seconds": progress.seconds,
        "best_step": progress.best_step,
        "checks_since_best": progress.checks_since_best,
        "check_seconds": progress.check_seconds,
        "student": {name: tensor.detach() for name, tensor in progress.student.items()},
        "kept": progress.kept,
        "moments": progress.moments,
        "scale": progress.scale,
        "history": [list(entry) for entry in progress.history],
        "channels": dict(progress.channels),
    }
    with atomic_write(path) as (part,):
        save(content, part)


def read_state(path: Path, like: Mapping[str, Tensor]) -> Progress:
    """Read a state; nothing in the file is executed or believed.

    Args:
        path: The file.
        like: The student's weights, whose names and shapes all of its tensors must have.

    Raises:
        InputError: It is no state of a training of such a student.
    """
    check_state(path, like)
    with _told_of(path):
        return _decoded(read_pickle(path), like)


def check_state(path: Path, like: Mapping[str, Tensor]) -> None:
    """Raise InputError for what is no file, or larger than a state, before any of it is read."""
    with _told_of(path):
        check_file(path, kind="state")
        _check_size(path, like)


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    try:
        yield
    except (CheckpointError, InputError, _WrongError) as failure:
        raise InputError(
            f"{path} is no training that can be gone on with",
            str(failure).partition("\n")[0][:200],
            hint="begin anew: `restart=True`",
        ) from failure


class _WrongError(Exception):
    """What is wrong with a state."""


def _check_size(path: Path, like: Mapping[str, Tensor]) -> None:
    weights = sum(4 * tensor.numel() for tensor in like.values())
    if (size := path.stat().st_size) > _MOST_TIMES * weights + _MOST_BESIDE:
        raise _WrongError(f"it is {size:,} bytes, and the weights are {weights:,}")


def _decoded(content: Any, like: Mapping[str, Tensor]) -> Progress:
    _require(isinstance(content, dict) and content.get("segpp") == "distillation", "its kind")
    _require(content.get("schema") == _SCHEMA, "its schema")
    settings = content.get("settings")
    _require(_is_texts(settings), "its settings")
    # Those of before there were gates have none.
    channels = content.get("channels", {})
    _require(_is_texts(channels), "its channels")
    student = _tensors(content.get("student"), like)
    kept = content.get("kept")
    moments = content.get("moments")
    _require(isinstance(moments, dict) and set(moments) in ({*like}, set()), "its moments")
    _require(content.get("precision") in {"fp32", "bf16", "fp16"}, "its precision")
    start, best = _judged(content.get("start")), _judged(content.get("best"))
    _require(type(start) is type(best), "what its checks found")
    return Progress(
        settings=settings,
        precision=content["precision"],
        start=start,
        best=best,
        student=student,
        step=_count(content.get("step")),
        seconds=_number(content.get("seconds")),
        best_step=_count(content.get("best_step")),
        kept=_tensors(kept, like) if kept else {},
        moments={name: _pair(moments[name], like[name]) for name in moments},
        scale=_scale(content.get("scale")),
        history=_history(content.get("history")),
        checks_since_best=_count(content.get("checks_since_best")),
        check_seconds=_number(content.get("check_seconds")),
        channels=channels,
    )


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - a condition
    if not holds:
        raise _WrongError(f"{what} is not as segpp writes it")


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(type(x) is str for x in (*value, *value.values()))


def _count(value: Any) -> int:
    _require(type(value) is int and 0 <= value < _MOST_STEPS, "a number of steps")
    return int(value)


def _number(value: Any) -> float:
    _require(type(value) in (int, float) and 0 <= value < float("inf"), "a number")
    return float(value)


def _judged(value: Any) -> Judged:
    _require(isinstance(value, list) and len(value) in _FOUND, "what a check found")
    agreement, divergence, *miou = (_number(number) for number in value)
    _require(max(agreement, *miou, 0.0) <= 1, "what a check found")
    return judged_from([agreement, divergence, *miou])


def _history(value: Any) -> list[tuple[float, ...]]:
    _require(isinstance(value, list), "its history")
    _require(all(isinstance(e, list) and len(e) - 1 in _FOUND for e in value), "its history")
    return [(_count(step), *map(_number, found)) for step, *found in value]


def _tensors(value: Any, like: Mapping[str, Tensor]) -> Tensors:
    _require(isinstance(value, dict) and set(value) == {*like}, "a set of weights")
    return {name: _tensor(value[name], like[name]) for name in like}


def _pair(value: Any, like: Tensor) -> Tensors:
    _require(isinstance(value, dict) and set(value) == {*_MOMENTS}, "a moment")
    pair = {name: _tensor(value[name], like) for name in _MOMENTS}
    _require(bool((pair["exp_avg_sq"] >= 0).all()), "a moment")
    return pair


def _tensor(value: Any, like: Tensor) -> Tensor:
    _require(isinstance(value, Tensor) and value.shape == like.shape, "a weight")
    _require(value.dtype == like.dtype and value.layout == torch.strided, "a weight")
    # A copy: the file is mapped, and is going to be replaced.
    copy: Tensor = value.clone(memory_format=torch.contiguous_format)
    _require(bool(copy.isfinite().all()), "a weight")
    return copy


def _scale(value: Any) -> dict[str, Any]:
    _require(isinstance(value, dict), "its scale of losses")
    _require(set(value) in (_SCALE, set()), "its scale of losses")
    _require(all(_number(v) > 0 or k == "_growth_tracker" for k, v in value.items()), "its scale")
    return dict(value)
