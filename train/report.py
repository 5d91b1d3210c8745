"""What a training did: for a person, for a program, and beside the file that it wrote."""

import json
from dataclasses import dataclass, field
from math import isnan
from typing import Any, ClassVar, cast

from segpp import __version__
from segpp.errors import CheckError
from segpp.manifest import ChannelSite
from segpp.manifest.dataclass_json import encode
from segpp.train.learning.judged import Judged, JudgedPolicy

__all__ = [
    "DistillFailedError",
    "DistillResult",
    "FineTuneFailedError",
    "FineTuneResult",
    "MeanIous",
    "PolicyFailedError",
    "PolicyResult",
    "Teacher",
    "TrainingResult",
    "WrittenFile",
]

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
    """The checkpoint as it was, which a student began as, and whose code saved it."""

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

    @property
    def doubt(self) -> str | None:
        """What to say where labels tell that a student got worse, whatever chose its weights."""
        before, after = (f"{100 * miou:.2f}" for miou in (self.before, self.after))
        # Of numbers that are shown alike nothing was lost; of no pixel there is no number.
        if not self.after < self.before or before == after:
            return None
        return (
            f"mIoU fell from {before} to {after} on {self.pictures}: train longer (`minutes`), on "
            "more pictures, or with another `learning_rate`"
        )


@dataclass(frozen=True)
class TrainingResult:
    """What was done and measured, whatever was learned from.

    Attributes:
        kind: What it is called in its file.
        teacher: What the student began as, and is compared with.
        file: What was written; None where the student is no better than it was.
        size: Input, as ``HxW``.
        reduction: What merges, a text for each site.
        channels: What leaves channels out, as a manifest tells it.
        match_interval: In how many blocks one match serves.
        learned: Pictures to learn from.
        held_back: Pictures to choose by.
        beside: Pictures in neither part, as neighbours of those held back.
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
        history: Step, agreement and divergence of every check, and the mean IoU if labels decide.
        warnings: What to doubt, a sentence each.
    """

    kind: ClassVar[str]

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
    beside: int = 0
    miou: MeanIous | None = None
    settings: dict[str, str] = field(default_factory=dict)
    history: tuple[tuple[float, ...], ...] = ()
    warnings: tuple[str, ...] = ()

    def json(self) -> str:
        """Return everything as JSON; so it stands beside the file."""
        head = {"segpp": __version__, "schema": _SCHEMA, "kind": self.kind}
        told = _without_nan({**head, **encode(self)})
        text = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    def text(self) -> str:
        """Return what a person wants to know."""
        rate = f"{self.steps} steps in {_time(self.seconds)}, {self.precision}"
        lines = [
            f"wrote     {self._written()}",
            f"merging   {', '.join(self.reduction) or 'nothing,'} at {self.size}",
            *map(_channels_line, self.channels),
            f"pictures  {self.learned} to learn from, {self.held_back} held back{self._gaps()}",
            f"training  {rate}, best after {self.best_step}",
            *self._measured(),
        ]
        return "\n".join(lines)

    def _measured(self) -> list[str]:
        raise NotImplementedError(f"nothing says what {type(self).__name__} measured")

    def _gaps(self) -> str:
        return f", {self.beside} beside these left out" if self.beside else ""

    def _miou_lines(self, whole: str) -> list[str]:
        """Return the mean IoU, where there is one, beside that of the whole network."""
        if self.miou is None:
            return []
        before, after, other = (
            f"{100 * miou:.2f}" for miou in (self.miou.before, self.miou.after, self.miou.teacher)
        )
        return [f"mIoU      {before} -> {after}, {whole} {other}, {self.miou.pictures}"]

    def _written(self) -> str:
        if self.file is None:
            return "nothing"
        size = f"{self.file.bytes / 1e6:.1f} MB"
        return f"{self.file.name}  {size}, {self.teacher.format} checkpoint"


@dataclass(frozen=True)
class DistillResult(TrainingResult):
    """What a distillation did; ``before`` and ``after`` are compared with the teacher."""

    kind = "distillation"

    def _measured(self) -> list[str]:
        before, after = self.before, self.after
        return [
            f"agreement {before.agreement:.2%} -> {after.agreement:.2%} with the teacher",
            f"masks     divergence {before.divergence:.4f} -> {after.divergence:.4f}",
            *self._miou_lines("teacher"),
        ]


@dataclass(frozen=True)
class FineTuneResult(TrainingResult):
    """What a training with labels did; ``before`` and ``after`` have a mean IoU held back."""

    kind = "training"

    def _measured(self) -> list[str]:
        before, after = self.before.agreement, self.after.agreement
        whole = f"with {self.teacher.name}, nothing left out"
        return [
            *self._miou_lines("nothing learned or left out"),
            f"agreement {before:.2%} -> {after:.2%} {whole}",
        ]


@dataclass(frozen=True)
class PolicyResult(TrainingResult):
    """What the training of a policy did; ``before`` and ``after`` are those of it alone."""

    kind = "policy"

    def _measured(self) -> list[str]:
        before, after = cast("JudgedPolicy", self.before), cast("JudgedPolicy", self.after)
        of = f"of superpatches, and {after.chance:.2%} by chance"
        chosen = f"{before.precision:.2%} -> {after.precision:.2%}"
        return [
            f"accuracy  {before.agreement:.2%} -> {after.agreement:.2%} {of}",
            f"chosen    {after.share:.2%} are of one class, and of as many chosen {chosen}",
            f"export    --reduce embed.patches=policy:ratio={after.share:.2g}",
        ]


def _time(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= _MINUTE else f"{seconds:.1f} s"


def _channels_line(site: ChannelSite) -> str:
    left = f"{site.channels_in:,} -> {site.channels_out:,} channels"
    return f"channels  {site.stage}.{site.part} {site.method}, {left} in each block"


class DistillFailedError(CheckError):
    """The student is no better than it was, and nothing was written; ``result`` tells what is."""

    def __init__(self, result: TrainingResult) -> None:
        before, after = result.before.agreement, result.after.agreement
        super().__init__(
            f"the student got no better: {before:.2%} of the labels held back are the teacher's "
            f"before, and {after:.2%} at the best check; nothing is written",
            f"steps: {result.steps}",
            hint="train longer (`minutes`), on more pictures, or with another `learning_rate`",
        )
        self.result = result


class FineTuneFailedError(CheckError):
    """The weights are no better than they were, and nothing was written; ``result`` tells all."""

    def __init__(self, result: TrainingResult) -> None:
        before, after = result.before, result.after
        super().__init__(
            f"the weights got no better: {before} on the pictures held back before, and {after} at "
            "the best check; nothing is written",
            f"steps: {result.steps}",
            hint="train longer (`minutes`), on more pictures, or with another `learning_rate`",
        )
        self.result = result


class PolicyFailedError(CheckError):
    """The policy is no better than it was, and nothing was written; ``result`` tells all."""

    def __init__(self, result: TrainingResult) -> None:
        super().__init__(
            f"the policy got no better: {result.before} on the superpatches held back before, and "
            f"{result.after} at the best check; nothing is written",
            f"steps: {result.steps}",
            hint="train longer (`minutes`), on more pictures, or with another `learning_rate`",
        )
        self.result = result


def _without_nan(value: Any) -> Any:
    """Return the same with null for what is no number: of no pixel there is no mean IoU."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and isnan(value) else value
