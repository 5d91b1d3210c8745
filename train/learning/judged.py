"""What is measured of a student on the pictures held back; importable without torch."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Judged", "JudgedByLabels", "judged_from"]


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


def judged_from(numbers: Sequence[float]) -> Judged:
    """Return what so many numbers are of: agreement and divergence, and a mean IoU or none."""
    agreement, divergence, *more = numbers
    return JudgedByLabels(agreement, divergence, *more) if more else Judged(agreement, divergence)
