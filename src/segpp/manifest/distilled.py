"""What a training left beside its checkpoint: for which tokens and channels it was trained."""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from segpp.errors import InputError, ManifestError
from segpp.manifest.channels import ChannelSite
from segpp.manifest.consistency import MOST, channel_problems
from segpp.manifest.dataclass_json import decode
from segpp.manifest.json_file import load_json
from segpp.utils.files import check_file, manifest_path

__all__ = ["Distilled", "read_distilled"]

_SIZE = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}")
# As ``--reduce`` takes it.
_SITE = re.compile(
    r"(\d{1,2}|head|embed)\.(q|kv|ffn|grid|tokens|patches)=[a-z0-9_]+(:[a-z0-9_=.,+-]*)?"
)
# Three in each of 48 blocks.
_MOST_SITES = 144
_MOST_NAME = 255
_DONE = {"distillation": "distilled", "training": "trained", "policy": "given a policy"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class _Named:
    name: str
    sha256: str


@dataclass(frozen=True)
class _Measured:
    agreement: float
    miou: float | None = None


@dataclass(frozen=True)
class Distilled:
    """What is told of a student, with labels or without; the rest of the file is for a person.

    Attributes:
        kind: ``training`` with labels, ``policy`` where these taught a policy alone.
        teacher: What was learned from: name and SHA-256.
        file: The student's own, likewise.
        size: Input, as ``HxW``.
        reduction: What merges, a text for each site.
        channels: What leaves channels out.
        match_interval: In how many blocks one match serves.
        steps: Updates of the weights.
        before: Share of labels held back that were the teacher's at the start, and the mean IoU
            there if labels decided.
        after: Likewise, of the student.
    """

    kind: Literal["distillation", "training", "policy"]
    schema: Literal[1]
    teacher: _Named
    file: _Named
    size: str
    reduction: tuple[str, ...]
    match_interval: int
    steps: int
    before: _Measured
    after: _Measured
    channels: tuple[ChannelSite, ...] = field(default_factory=tuple)

    @property
    def done(self) -> str:
        """What was done to it, in a word."""
        return _DONE[self.kind]


def read_distilled(path: Path, sha256: str) -> Distilled | None:
    """Return what lies beside a checkpoint, if it is of a training that wrote this very file.

    Whatever else lies there is somebody else's file, damaged or not, and nothing to complain of.

    Args:
        path: The checkpoint, a file or a folder.
        sha256: Of its weights.
    """
    beside = manifest_path(path)
    try:
        check_file(beside, kind="manifest", error=ManifestError)
        found = decode(Distilled, _known(load_json(beside)), beside.name)
    except (InputError, OSError, RecursionError):
        return None
    return found if found.file.sha256 == sha256 and _is_sound(found) else None


def _known(value: Any) -> Any:
    """Return those keys that are read, of what may have others."""
    if not isinstance(value, dict):
        return value
    inner: dict[str, type[_Named | _Measured]] = {
        "teacher": _Named,
        "file": _Named,
        "before": _Measured,
        "after": _Measured,
    }
    names = {one.name for one in fields(Distilled)}
    return {
        name: _of(inner[name], part) if name in inner else part
        for name, part in value.items()
        if name in names
    }


def _of(kind: "type[_Named | _Measured]", value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    names = {one.name for one in fields(kind)}
    return {name: part for name, part in value.items() if name in names}


def _is_sound(found: Distilled) -> bool:
    """Whether everything is as a training writes it: it is shown, and compared."""
    measured = (found.before, found.after)
    shares = [share for one in measured for share in (one.agreement, one.miou or 0.0)]
    return (
        _SIZE.fullmatch(found.size) is not None
        and len(found.reduction) <= _MOST_SITES
        and all(len(t) <= _MOST_NAME and _SITE.fullmatch(t) for t in found.reduction)
        and not any(problem for site in found.channels for problem in channel_problems(site))
        and 0 < len(found.teacher.name) <= _MOST_NAME
        and _SHA256.fullmatch(found.teacher.sha256) is not None
        and 1 <= found.match_interval <= MOST
        and 0 <= found.steps < 1 << 40
        and all(0 <= share <= 1 for share in shares)
    )
