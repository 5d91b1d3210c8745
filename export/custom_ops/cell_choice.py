"""Which token of every cell is its destination, where each image decides: the seam for a replay."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from segpp.ops.partition import BipartitePartition

__all__ = ["choose", "choosing_by", "plain_choice"]

# From scores (B, D, a) of the a tokens of D cells to the chosen one's place (B, D).
Chooser = Callable[[Tensor, BipartitePartition], Tensor]


def choose(scores: Tensor, partition: BipartitePartition) -> Tensor:
    """Return the place in its cell of the token with the highest score, the first of equals.

    Args:
        scores: Of the a tokens of each of D complete cells, (B, D, a).
        partition: Whose cells they are.
    """
    if torch.compiler.is_exporting():
        return plain_choice(scores, partition)
    return _chooser.get()(scores, partition)


@contextmanager
def choosing_by(chooser: Chooser) -> Iterator[None]:
    """Let ``chooser`` decide inside the block, in place of ``plain_choice``."""
    token = _chooser.set(chooser)
    try:
        yield
    finally:
        _chooser.reset(token)


def plain_choice(scores: Tensor, partition: BipartitePartition) -> Tensor:
    """Return the first place with the highest score, (B, D)."""
    del partition
    return scores.argmax(2)


_chooser: ContextVar[Chooser] = ContextVar("chooser", default=plain_choice)
