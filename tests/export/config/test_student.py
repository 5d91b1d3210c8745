"""Who exports a student for something else than it was distilled for is told what differs."""

import json
from pathlib import Path

import pytest

from segpp.export.config.student import student_note
from segpp.export.models.segformer.presets import reduction_config
from segpp.ops.grid import Size
from segpp.utils.files import manifest_path, sha256_of

SIZE = Size(64, 96)
HERE = "3.q=bsm:ratio=0.5"


@pytest.fixture
def student(tmp_path: Path) -> Path:
    path = tmp_path / "student.pth"
    path.write_bytes(b"weights")
    record = {
        "kind": "distillation",
        "schema": 1,
        "teacher": {"name": "model.pth", "sha256": "0" * 64},
        "file": {"name": path.name, "sha256": sha256_of(path)},
        "size": "64x96",
        "reduction": [f"{s}={r.to_string()}" for s, r in reduction_config(reduce=[HERE]).items()],
        "match_interval": 1,
        "steps": 10,
        "before": {"agreement": 0.9},
        "after": {"agreement": 0.95},
    }
    manifest_path(path).write_text(json.dumps(record), encoding="utf-8")
    return path


def note(student: Path, *reduce: str, size: Size = SIZE, interval: int = 1) -> str | None:
    return student_note(
        student,
        sha256_of(student),
        size=size,
        reduction=reduction_config(reduce=reduce),
        channels=(),
        match_interval=interval,
    )


def test_what_it_was_distilled_for_needs_no_word(student: Path) -> None:
    assert note(student, HERE) is None


def test_every_difference_is_named_with_both_sides(student: Path) -> None:
    told = note(student, "4.q=n2d", size=Size(64, 128), interval=2)

    assert told is not None
    assert told.startswith("student.pth was distilled for another export: ")
    assert "size 64x96 there, 64x128 here" in told
    assert "3.q bsm:" in told
    assert "4.q none there, n2d:rows=2,cols=2 here" in told
    assert "match interval 1 there, 2 here" in told


def test_of_other_weights_nothing_is_known(student: Path) -> None:
    student.write_bytes(b"other weights")

    assert note(student, "4.q=n2d") is None
