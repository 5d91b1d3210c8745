"""What is measured of a student on the pictures held back; importable without torch."""

from dataclasses import dataclass

__all__ = ["Judged"]


@dataclass(frozen=True)
class Judged:
    """What was measured.

    Attributes:
        agreement: Share of the pixels that have the teacher's class.
        divergence: Mean KL divergence of the masks at the logits' resolution.
    """

    agreement: float
    divergence: float

    def is_better_than(self, other: "Judged") -> bool:
        """Whether more pixels agree; of equals, whether the masks are closer."""
        return (self.agreement, -self.divergence) > (other.agreement, -other.divergence)
