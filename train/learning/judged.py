"""What is measured of a student on the pictures held back; importable without torch."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Judged", "JudgedByLabels", "JudgedPolicy", "judged_from"]

# Of a policy; a mean IoU makes three.
_OF_POLICY = 4


@dataclass(frozen=True)
class Judged:
    """What was measured.

    Attributes:
        agreement: Share of the pixels that have the teacher's class.
        divergence: Mean KL divergence of the masks at the logits' resolution.
    """

    agreement: float
    divergence: float

    def __str__(self) -> str:
        return f"agreement {self.agreement:.2%}"

    @property
    def numbers(self) -> tuple[float, ...]:
        """Everything, as ``judged_from`` takes it."""
        return self.agreement, self.divergence

    def is_better_than(self, other: "Judged") -> bool:
        """Whether more pixels agree; of equals, whether the masks are closer."""
        return (self.agreement, -self.divergence) > (other.agreement, -other.divergence)


@dataclass(frozen=True)
class JudgedByLabels(Judged):
    """What was measured where there are labels, which then decide.

    Attributes:
        miou: Mean IoU, 0 to 1.
    """

    miou: float

    def __str__(self) -> str:
        return f"mIoU {self.miou:.2%}"

    @property
    def numbers(self) -> tuple[float, ...]:
        """Everything, as ``judged_from`` takes it."""
        return *super().numbers, self.miou

    def is_better_than(self, other: Judged) -> bool:
        """Whether the mean IoU is larger."""
        return isinstance(other, JudgedByLabels) and self.miou > other.miou


@dataclass(frozen=True)
class JudgedPolicy(Judged):
    """What was measured of a policy by labels; as many superpatches as are of one class are chosen.

    ``agreement`` is the share of the superpatches that it is right about, and ``divergence`` the
    cross entropy.

    Attributes:
        share: Of the superpatches that are of one class.
        precision: Share of one class among those that it is surest of in each image.
    """

    share: float
    precision: float

    def __str__(self) -> str:
        return f"accuracy {self.agreement:.2%}"

    @property
    def chance(self) -> float:
        """The accuracy of who says the same of every superpatch."""
        return max(self.share, 1 - self.share)

    @property
    def numbers(self) -> tuple[float, ...]:
        """Everything, as ``judged_from`` takes it."""
        return *super().numbers, self.share, self.precision


def judged_from(numbers: Sequence[float]) -> Judged:
    """Return what so many numbers are of: of agreement and divergence alone, or of labels."""
    agreement, divergence, *more = numbers
    if len(numbers) == _OF_POLICY:
        return JudgedPolicy(agreement, divergence, *more)
    return JudgedByLabels(agreement, divergence, *more) if more else Judged(agreement, divergence)
