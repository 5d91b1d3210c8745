"""A file's matches are judged, and PyTorch merges by them."""

import pytest
import torch
from torch import Tensor

from segpp.errors import CheckError
from segpp.export.custom_ops.torch_ops import MatchSettings, plain_match
from segpp.export.parity.replay_matches import MatchReplay

MATCH = MatchSettings(height=4, width=4, stride_y=2, stride_x=2, merged=6, window=0)


def tokens() -> Tensor:
    return torch.randn(1, 16, 8, generator=torch.Generator().manual_seed(3))


def test_a_near_tie_decided_the_other_way_is_accepted() -> None:
    x = tokens()
    # Destinations 0 and 2 are the same token, and source 1 is close to both.
    x[0, 2] = x[0, 0]
    x[0, 1] = x[0, 0] * 1.5
    slot = plain_match(x, MATCH)
    assert slot[0, 1] == slot[0, 0]
    slot[0, 1] = slot[0, 2]

    given = MatchReplay([(MATCH, slot)], tie=1e-5)

    assert torch.equal(given(x, MATCH), slot)
    assert (given.tokens, given.differing) == (16, 1)


def test_a_clearly_worse_destination_is_refused() -> None:
    x = tokens()
    slot = plain_match(x, MATCH)
    merged_source = next(int(s) for s in MATCH.partition.sources if slot[0, s] >= 6)
    slot[0, merged_source] = 6 + (slot[0, merged_source] - 6 + 1) % 4

    with pytest.raises(CheckError, match="merges tokens that are less similar than others"):
        MatchReplay([(MATCH, slot)], tie=1e-5)(x, MATCH)


def test_equal_tokens_are_given_one_match_although_the_file_has_it_once() -> None:
    x, later = tokens(), tokens() * 2 - 1
    slot, next_slot = plain_match(x, MATCH), plain_match(later, MATCH)

    replay = MatchReplay([(MATCH, slot), (MATCH, next_slot)], tie=1e-5)

    assert torch.equal(replay(x, MATCH), slot)
    assert torch.equal(replay(x.clone(), MATCH), slot)
    assert torch.equal(replay(later, MATCH), next_slot)
    assert replay.tokens == 2 * 16


def test_slots_out_of_order_are_refused() -> None:
    x = tokens()
    slot = plain_match(x, MATCH)
    slot[0, [0, 2]] = slot[0, [2, 0]]

    with pytest.raises(CheckError, match="slots on 4x4 tokens break their contract"):
        MatchReplay([(MATCH, slot)], tie=1e-5)(x, MATCH)
