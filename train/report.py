"""What a distillation did: for a person, for a program, and beside the file that it wrote."""

import json
from dataclasses import dataclass, field

from segpp import __version__
from segpp.errors import CheckError
from segpp.manifest import ChannelSite
from segpp.manifest.dataclass_json import encode
from segpp.train.learning.judged import Judged

__all__ = ["DistillFailedError", "DistillResult", "MeanIous", "Teacher", "WrittenFile"]

_SCHEMA = 1
_MINUTE = 60


@dataclass(frozen=True)
class WrittenFile:
    """The student's weights; of a folder's parts the hash of their hashes."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Teacher:
    """The checkpoint that was learned from, and whose code saved it."""

    name: str
    sha256: str
    format: str


@dataclass(frozen=True)
class MeanIous:
    """Mean IoU against labels, 0 to 1.

    Attributes:
        pictures: How many, and which.
        teacher: As it is.
        before: Made smaller, with the teacher's weights.
        after: Made smaller, with the student's.
    """

    pictures: str
    teacher: float
    before: float
    after: float


@dataclass(frozen=True)
class DistillResult:
    """What was done and measured.

    Attributes:
        teacher: What was learned from.
        file: What was written; None where the student is no better than it was.
        size: Input, as ``HxW``.
        reduction: What merges, a text for each site.
        channels: What leaves channels out, as a manifest tells it.
        match_interval: In how many blocks one match serves.
        learned: Pictures to learn from.
        held_back: Pictures to choose by.
        steps: Updates of the weights.
        best_step: That of the weights that were kept.
        seconds: Time for them, checks included.
        precision: What they were computed in.
        processes: How many trained together.
        before: On the pictures held back: made smaller, with the teacher's weights; channels are
            chosen as by an export.
        after: Made smaller, with the student's.
        miou: Against labels, where there are any.
        settings: As given.
        history: Step, agreement and divergence of every check.
        warnings: What to doubt, a sentence each.
    """

    teacher: Teacher
    file: WrittenFile | None
    size: str
    reduction: tuple[str, ...]
    channels: tuple[ChannelSite, ...]
    match_interval: int
    learned: int
    held_back: int
    steps: int
    best_step: int
    seconds: float
    precision: str
    processes: int
    before: Judged
    after: Judged
    miou: MeanIous | None = None
    settings: dict[str, str] = field(default_factory=dict)
    history: tuple[tuple[int, float, float], ...] = ()
    warnings: tuple[str, ...] = ()

    def json(self) -> str:
        """Return everything as JSON; so it stands beside the file."""
        head = {"segpp": __version__, "schema": _SCHEMA, "kind": "distillation"}
        text = json.dumps({**head, **encode(self)}, indent=2, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    def text(self) -> str:
        """Return what a person wants to know."""
        rate = f"{self.steps} steps in {_time(self.seconds)}, {self.precision}"
        lines = [
            f"wrote     {self._written()}",
            f"merging   {', '.join(self.reduction) or 'nothing,'} at {self.size}",
            *map(_channels_line, self.channels),
            f"pictures  {self.learned} to learn from, {self.held_back} held back",
            f"training  {rate}, best after {self.best_step}",
            f"agreement {self.before.agreement:.2%} -> {self.after.agreement:.2%} with the teacher",
            f"masks     divergence {self.before.divergence:.4f} -> {self.after.divergence:.4f}",
        ]
        if self.miou is not None:
            lines.append(
                f"mIoU      {100 * self.miou.before:.2f} -> {100 * self.miou.after:.2f}, teacher "
                f"{100 * self.miou.teacher:.2f}, {self.miou.pictures}"
            )
        return "\n".join(lines)

    def _written(self) -> str:
        if self.file is None:
            return "nothing"
        size = f"{self.file.bytes / 1e6:.1f} MB"
        return f"{self.file.name}  {size}, {self.teacher.format} checkpoint"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= _MINUTE else f"{seconds:.1f} s"


def _channels_line(site: ChannelSite) -> str:
    left = f"{site.channels_in} -> {site.channels_out} channels"
    return f"channels  {site.stage}.{site.part} {site.method}, {left} in each block"


class DistillFailedError(CheckError):
    """The student is no better than it was, and nothing was written; ``result`` tells what is."""

    def __init__(self, result: DistillResult) -> None:
        before, after = result.before.agreement, result.after.agreement
        super().__init__(
            f"the student got no better: {before:.2%} of the labels held back are the teacher's "
            f"before, and {after:.2%} at the best check; nothing is written",
            f"steps: {result.steps}",
            hint="train longer (`minutes`), on more pictures, or with another `learning_rate`",
        )
        self.result = result
