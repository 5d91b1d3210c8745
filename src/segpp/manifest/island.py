"""What of an FP16 file computes in FP32 because of its range."""

from dataclasses import dataclass

__all__ = ["Island"]


@dataclass(frozen=True)
class Island:
    """A part of an FP16 file that computes in FP32, since its values come too near to the limit.

    Attributes:
        value: What was too large, by its name in the file.
        largest: Its largest magnitude on the picture of the parity check.
        limit: What it may be: the largest FP16 number over a margin, for weights without.
        nodes: What computes in FP32 for its sake, by name.
        place: Where in the network that is, as "stage 2 block 1, attention scores"; empty where
            the names in the file do not tell.
    """

    value: str
    largest: float
    limit: float
    nodes: tuple[str, ...]
    place: str = ""
