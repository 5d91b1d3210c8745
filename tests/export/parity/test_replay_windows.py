"""What a file merges by windows is replayed if it was right to, and refused if it was not."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckError
from segpp.export.custom_ops.window_choice import WindowSettings, plain_ranks, rank, ranking_by
from segpp.export.parity.replay_windows import WindowReplay
from segpp.export.reduction.assignments.window_means import window_means
from segpp.ops.grid import Grid

SETTINGS = WindowSettings(Grid(5, 8), 2, 3)
LAST = replace(SETTINGS, are_last=True)
TIE = 1e-3


def scores(*others: float) -> Tensor:
    """Of eight windows: the first ones are the most alike."""
    return torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]]) + torch.tensor(
        [[*others, *([0.0] * (8 - len(others)))]]
    )


def slots(of: Tensor) -> Tensor:
    return window_means(plain_ranks(of, SETTINGS), SETTINGS).slot


def test_ranks_of_the_file_are_given_where_they_are_ties() -> None:
    # The file sees the third and the fourth window the other way round, by less than a tie.
    own, seen = scores(0, 0, -0.1 + 1e-4), scores(0, 0, -0.1 - 1e-4)
    replay = WindowReplay([slots(own), slots(seen)], tie=TIE)

    with ranking_by(replay):
        first, second = rank(own, SETTINGS), rank(own, SETTINGS)

    assert torch.equal(first, plain_ranks(own, SETTINGS))
    assert torch.equal(second[:, :4], torch.tensor([[0, 1, 3, 2]]))
    # One merges there and not here, the other here and not there.
    assert replay.differing == 2
    assert torch.equal(rank(own, SETTINGS), first)


@pytest.mark.parametrize(
    "seen", [scores(0, 0, -0.3), scores(-0.15)], ids=["another window", "another order"]
)
def test_windows_that_are_less_alike_than_others_are_refused(seen: Tensor) -> None:
    replay = WindowReplay([slots(seen)], tie=TIE)

    with pytest.raises(CheckError, match=r"less alike than others by 0\.\d+\n.* tie"):
        replay(scores(), SETTINGS)


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_where_no_number_decides_the_file_is_refused(number: float) -> None:
    of = scores(0, number)

    with pytest.raises(CheckError, match="of 5x8 tokens is decided by NaN or infinity"):
        WindowReplay([slots(of)], tie=TIE)(of, SETTINGS)


def test_slots_of_something_else_are_passed_over() -> None:
    of = scores()
    pairs = torch.arange(SETTINGS.grid.tokens, dtype=torch.int32)[None] // 2
    shifted = slots(of).roll(1, 1)

    replay = WindowReplay([pairs[:, :20], pairs, shifted, slots(of)], tie=TIE)

    assert torch.equal(replay(of, SETTINGS), plain_ranks(of, SETTINGS))
    with pytest.raises(CheckError, match="does not merge 3 windows of 5x8 tokens"):
        replay(of, SETTINGS)


def test_windows_that_stand_last_are_told_by_who_they_are_and_not_by_their_order() -> None:
    # The fourth is chosen in place of the third, by less than a tie; and the first two change.
    own, seen = scores(0, 0, -0.1 + 1e-4), scores(-0.2, 0, -0.1 - 1e-4)
    slot = window_means(plain_ranks(seen, LAST), LAST).slot
    replay = WindowReplay([slots(own), slot], tie=TIE)

    ranks = replay(own, LAST)

    assert torch.equal(window_means(ranks, LAST).slot, slot)
    assert ranks[0, [0, 1, 3]].tolist() == [0, 1, 2]
    assert replay.differing == 2


def test_windows_that_stand_last_are_refused_where_others_go_before() -> None:
    slot = window_means(plain_ranks(scores(0, -0.5), LAST), LAST).slot

    with pytest.raises(CheckError, match=r"less alike than others by 0\.2\n.* tie"):
        WindowReplay([slot], tie=TIE)(scores(), LAST)


def test_a_tie_is_relative_to_scores_that_are_no_cosines() -> None:
    own, seen = 100 * scores(0, 0, -0.1 + 1e-4), 100 * scores(0, 0, -0.1 - 1e-4)
    slot = window_means(plain_ranks(seen, LAST), LAST).slot

    # They differ by 0.01 and are as large as 90.
    assert WindowReplay([slot], tie=TIE)(own, LAST)[0, 3] == 2
    with pytest.raises(CheckError, match="less alike"):
        WindowReplay([slot], tie=TIE / 100)(own, LAST)


def test_tokens_that_leave_are_windows_of_one_and_probabilities_have_wider_ties() -> None:
    settings = WindowSettings(Grid(2, 3), 1, 2)
    own = torch.tensor([[0.2, 0.9, 0.3, 0.805, 0.8, 0.1]])
    seen = own - torch.tensor([[0, 0, 0, 0.01, 0, 0]])
    slot = window_means(plain_ranks(seen, settings), settings).slot

    replay = WindowReplay([slot], tie=TIE)
    ranks = replay(own, settings, torch.tensor(10.0))

    # The fifth leaves there in the place of the fourth.
    assert ranks[0, [1, 4]].tolist() == [0, 1]
    assert replay.differing == 2
    with pytest.raises(
        CheckError, match=r"lets tokens leave that are less sure than others by 0\."
    ):
        WindowReplay([slot], tie=TIE)(own, settings)
    with pytest.raises(CheckError, match="does not let 2 of 2x3 tokens leave"):
        WindowReplay([], tie=TIE)(own, settings)
