"""Tests manifest/distilled.py: what lies beside a student is believed if it is sound, and its."""

import json
from pathlib import Path
from typing import Any

import pytest

from segpp.manifest import read_distilled
from segpp.manifest.consistency import MOST
from segpp.manifest.json_file import _MAX_BYTES
from segpp.utils.files import manifest_path, sha256_of

GATE = {
    "stage": 3,
    "part": "hidden",
    "method": "fixed",
    "settings": {"keep": 0.5, "correct": 1},
    "channels_in": 10,
    "channels_out": 5,
    "kept": {"1.hidden": "f80"},
}


def told(student: Path) -> dict[str, Any]:
    """Return what a distillation tells of a student, some of it for a person alone."""
    return {
        "segpp": "0.2.0",
        "schema": 1,
        "kind": "distillation",
        "teacher": {"name": "teacher.pth", "sha256": "1" * 64, "format": "mmsegmentation"},
        "file": {"name": student.name, "sha256": sha256_of(student), "bytes": 7},
        "size": "64x128",
        "reduction": [
            "3.q=bsm:ratio=0.8,sy=4,sx=4,window=0",
            "3.ffn=q",
            "head.grid=area:share=0.5",
        ],
        "channels": [GATE],
        "match_interval": 2,
        "steps": 12,
        "before": {"agreement": 0.8, "divergence": 0.1},
        "after": {"agreement": 0.9, "divergence": 0.05},
        "settings": {"anything": "for a person"},
    }


@pytest.fixture
def student(tmp_path: Path) -> Path:
    path = tmp_path / "student.pth"
    path.write_bytes(b"weights")
    return path


def read(student: Path, content: Any) -> object:
    manifest_path(student).write_text(json.dumps(content))
    return read_distilled(student, sha256_of(student))


def test_what_was_trained_for_is_read(student: Path) -> None:
    found = read(student, told(student))

    assert found is not None
    assert (found.size, found.match_interval, found.steps) == ("64x128", 2, 12)  # type: ignore[attr-defined]  # as above


def test_of_a_training_with_labels_the_mean_iou_is_read(student: Path) -> None:
    measured = {"before": {"agreement": 1.0, "miou": 0.5}, "after": {"agreement": 0.9, "miou": 0.6}}

    found = read(student, {**told(student), **measured, "kind": "training", "reduction": []})
    distilled = read(student, told(student))

    assert (found.done, found.before.miou, found.after.miou) == ("trained", 0.5, 0.6)  # type: ignore[attr-defined]  # as above
    assert (distilled.done, distilled.before.miou) == ("distilled", None)  # type: ignore[attr-defined]  # as above


def test_every_site_of_the_deepest_plain_vit_is_read(student: Path) -> None:
    sites = [f"{block}.{side}" for block in range(1, 49) for side in ("q", "kv", "tokens")]

    found = read(student, {**told(student), "reduction": [f"{site}=bsm" for site in sites]})

    assert found is not None


def test_the_largest_interval_that_a_training_takes_is_read(student: Path) -> None:
    found = read(student, {**told(student), "match_interval": MOST})

    assert found is not None


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "onnx"},
        {"kind": "training", "before": {"agreement": 0.8, "miou": 1.5}},
        {"schema": 2},
        {"schema": True},
        {"size": "64"},
        {"size": "64x\x1b[31m"},
        {"size": "99999999999x64"},
        {"reduction": ["3.q"]},
        {"reduction": ["3.q=bsm:\nratio"]},
        {"reduction": "3.q=bsm"},
        {"reduction": ["3.q=bsm"] * 1000},
        {"reduction": ["3.q=bsm:" + "1" * 300]},
        {"channels": [{**GATE, "channels_out": 10**30}]},
        {"channels": [{**GATE, "method": "x"}]},
        {"channels": [{**GATE, "settings": {"keep": "\x1b[31m"}}]},
        {"match_interval": 10**30},
        {"match_interval": 0},
        {"steps": -1},
        {"steps": 10**30},
        {"teacher": {"name": "", "sha256": "1" * 64}},
        {"teacher": {"name": "t", "sha256": "1"}},
        {"teacher": "teacher.pth"},
        {"after": {"agreement": 2.0}},
        {"after": {"agreement": float("nan")}},
        {"after": None},
        {"file": {"name": "student.pth", "sha256": "2" * 64}},
    ],
)
def test_what_is_not_as_it_was_written_or_of_another_file_is_not_believed(
    change: dict[str, Any], student: Path
) -> None:
    assert read(student, {**told(student), **change}) is None


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[]", b"7", b"[" * 100_000])
def test_other_files_beside_a_checkpoint_are_passed_over(content: bytes, student: Path) -> None:
    manifest_path(student).write_bytes(content)

    assert read_distilled(student, sha256_of(student)) is None


def test_no_file_a_folder_and_a_large_file_are_passed_over(student: Path) -> None:
    beside, digest = manifest_path(student), sha256_of(student)
    assert read_distilled(student, digest) is None
    beside.mkdir()
    assert read_distilled(student, digest) is None
    beside.rmdir()
    beside.write_text(json.dumps(told(student)) + " " * _MAX_BYTES)

    assert read_distilled(student, digest) is None
