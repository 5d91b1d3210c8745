"""What a caller can say about a checkpoint that its file does not say, or says in two ways."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["COLORS", "WEIGHTS", "ReadChoices"]

WEIGHTS = ("raw", "ema")
COLORS = ("rgb", "bgr")


@dataclass(frozen=True)
class ReadChoices:
    """How to read a checkpoint.

    Attributes:
        checkpoint_format: Whose code saved it, where the names inside do not tell.
        prefix: Which of several networks in it, by what stands before its names.
        weights: ``raw``, as they lie under the network's own names, or ``ema``, averaged.
        ignore_tensors: Patterns, as the shell has them, of tensors to leave out.
        heads: Attention heads per stage, whatever the file says.
        colors: The order of the channels that it was trained on; its own, else ``rgb``, if None.
    """

    checkpoint_format: str | None = None
    prefix: str | None = None
    weights: str = "raw"
    ignore_tensors: tuple[str, ...] = ()
    heads: tuple[int, ...] | None = None
    colors: Literal["rgb", "bgr"] | None = None
