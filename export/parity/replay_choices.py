"""Let PyTorch make those tokens destinations that a file did, after judging that it was right to.

Of a cell's tokens two can stand out equally up to rounding. Then two correct computations choose
different ones, and merge other tokens, which is no fault of either.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from segpp.errors import CheckError
from segpp.ops.partition import BipartitePartition

__all__ = ["ChoiceReplay"]


class ChoiceReplay:
    """A chooser that returns recorded places; use it with ``cell_choice.choosing_by``.

    Args:
        recorded: Cells, and the order (B, N) in which a file matched tokens: which token stood
            where each token stood.
        tie: Scores closer than this count as equal.

    Attributes:
        differing: Cells of which PyTorch would have chosen another token.
    """

    def __init__(self, recorded: Iterable[tuple[BipartitePartition, Tensor]], tie: float) -> None:
        self._waiting: dict[BipartitePartition, list[Tensor]] = defaultdict(list)
        self._served: dict[BipartitePartition, tuple[Tensor, Tensor]] = {}
        for partition, order in recorded:
            self._waiting[partition].append(order)
        self._tie = tie
        self.differing = 0

    def __call__(self, scores: Tensor, partition: BipartitePartition) -> Tensor:
        """Return the file's places (B, D) for scores (B, D, a).

        Raises:
            CheckError: A chosen token's score is lower than another's by more than a tie, or the
                file chose none.
        """
        # Two matches of the same tokens have one choice in the file.
        if (served := self._served.get(partition)) and torch.equal(served[0], scores):
            return served[1]
        if not (waiting := self._waiting[partition]):
            raise CheckError(f"the file does not choose destinations on {partition.grid} tokens")
        place = _places(waiting.pop(0).long(), partition)
        self._served[partition] = (scores, place)
        self.differing += int((place != scores.argmax(2)).sum())
        chosen = scores.gather(2, place[:, :, None])[:, :, 0]
        if (lost := (scores.amax(2) - chosen).max().item()) > self._tie:
            raise CheckError(
                f"the file merges into tokens that another in their cell goes before by {lost:.2g}",
                f"a tie may differ by {self._tie:.2g}",
            )
        return place


def _places(order: Tensor, partition: BipartitePartition) -> Tensor:
    """Return where in its cell each corner's token comes from, (B, D)."""
    corners = torch.from_numpy(partition.destinations)
    step = order[:, corners] - corners
    row, column = step // partition.grid.width, step % partition.grid.width
    inside = (row < partition.stride_y) & (column < partition.stride_x) & (step >= 0)
    if not inside.all():
        raise CheckError(
            f"the file's order of {partition.grid} tokens breaks its contract",
            "a destination comes from its own cell",
        )
    return row * partition.stride_x + column
