"""The allowed rounding follows from the network's sizes and nothing else."""

from dataclasses import replace
from math import sqrt

import pytest

from segpp.export.models.segformer.architecture import SIZES, segformer
from segpp.export.models.segformer.tolerance import relative_tolerance
from segpp.manifest import Architecture

# One stage of one block with two heads and a spatial reduction of 8, small enough to add up.
TINY = Architecture("tiny", (4,), (1,), (2,), "linear", 8, 2, 3)


@pytest.fixture
def one_stage(monkeypatch: pytest.MonkeyPatch) -> Architecture:
    monkeypatch.setattr("segpp.export.models.segformer.tolerance.REDUCE", (8,))
    return TINY


def test_the_roundings_of_all_products_add_up(one_stage: Architecture) -> None:
    lengths = [
        *(3 * 49,),  # the patch embedding: 3 channels, 7x7 pixels
        *(4, 4 * 64, 2, 16, 4),  # queries; keys of 8x8 tokens; scores; 16 keys; projection
        *(4, 9, 16),  # the feed-forward network with its 3x3 convolution
        *(4, 4, 4),  # the means of three norms
        *(4, 32, 8),  # the head: projection, fusion of four levels, classifier
    ]

    found = relative_tolerance(one_stage, key_tokens=16)

    assert found == pytest.approx(2.0**-24 * sum(map(sqrt, lengths)), rel=1e-12)


def test_a_second_block_adds_a_block(one_stage: Architecture) -> None:
    block = sum(map(sqrt, (4, 256, 2, 16, 4, 4, 9, 16, 4, 4, 4)))

    two = relative_tolerance(replace(one_stage, depths=(2,)), key_tokens=16)
    one = relative_tolerance(one_stage, key_tokens=16)

    assert two - one == pytest.approx(2.0**-24 * block, rel=1e-9)


def test_deeper_networks_may_differ_more_and_none_by_a_visible_amount() -> None:
    # Keys at 1024x1024. B0 has 8 blocks of 11 products of lengths from 9 to 2,048: about 90 square
    # roots between 3 and 45, times 6e-8, is 1e-4. B5 has 52 blocks. Classes that differ by less
    # than a thousandth of a logit are a coin's toss for the network itself.
    found = [relative_tolerance(segformer(size, classes=19), 1024) for size in sorted(SIZES)]

    assert found == sorted(found)
    assert 3e-5 < found[0] < 3e-4
    assert found[-1] < 1e-3


def test_more_keys_may_differ_more() -> None:
    network = segformer("b0", classes=19)

    assert relative_tolerance(network, 2048) > relative_tolerance(network, 512)
