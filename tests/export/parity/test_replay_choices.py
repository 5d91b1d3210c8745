"""What the parity check accepts of a file's destinations and what it does not.

Also custom_ops/cell_choice.py, through which it decides.
"""

import pytest
import torch

from segpp.errors import CheckError
from segpp.export.parity.replay_choices import ChoiceReplay
from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition

CELLS = BipartitePartition(Grid(2, 4), 2, 2)
TIE = 1e-3


def order(*chosen: int) -> torch.Tensor:
    """Return the order in which these tokens stand in the corners of the two cells."""
    found = torch.arange(8)
    for corner, token in zip((0, 2), chosen, strict=True):
        found[corner], found[token] = token, corner
    return found[None].int()


def scores(first: list[float], second: list[float]) -> torch.Tensor:
    return torch.tensor([[first, second]])


def test_a_near_tie_decided_the_other_way_is_the_files() -> None:
    replay = ChoiceReplay([(CELLS, order(5, 2))], TIE)

    place = replay(scores([0.5, 0.0, 0.0, 0.5 - TIE / 2], [0.9, 0.1, 0.1, 0.1]), CELLS)

    assert place.tolist() == [[3, 0]]
    assert replay.differing == 1


def test_a_clearly_lower_score_is_refused() -> None:
    replay = ChoiceReplay([(CELLS, order(1, 2))], TIE)

    with pytest.raises(CheckError, match="another in their cell goes before by"):
        replay(scores([0.5, 0.4, 0.0, 0.0], [0.9, 0.1, 0.1, 0.1]), CELLS)


def test_a_destination_of_another_cell_is_refused() -> None:
    replay = ChoiceReplay([(CELLS, order(3, 2))], TIE)

    with pytest.raises(CheckError, match="2x4 tokens breaks its contract"):
        replay(scores([0.5] * 4, [0.5] * 4), CELLS)


def test_equal_tokens_have_one_choice_and_others_their_own() -> None:
    replay = ChoiceReplay([(CELLS, order(1, 2)), (CELLS, order(4, 6))], TIE)
    same, other = scores([0.5] * 4, [0.5] * 4), scores([0.4] * 4, [0.4] * 4)

    places = [replay(x, CELLS).tolist() for x in (same, same, other)]

    assert places == [[[1, 0]], [[1, 0]], [[2, 2]]]
    with pytest.raises(CheckError, match="does not choose destinations on 2x4 tokens"):
        replay(scores([0.3] * 4, [0.3] * 4), CELLS)
