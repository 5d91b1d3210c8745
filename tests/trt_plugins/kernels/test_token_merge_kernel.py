"""The merge kernel's own source against the oracle, under sanitizers."""

from typing import Any

import numpy as np
import pytest

from segpp.ops import merge_reference
from tests.trt_plugins.conftest import Open
from tests.trt_plugins.kernels.gather_kernels import (
    GATHER_SOURCES,
    SIZES,
    TYPES,
    Gather,
    slots_of,
    tokens,
)
from tests.trt_plugins.kernels.kernel_library import poisoned

INT_MAX = 2**31 - 1


# The sanitized build guards shared memory, the plain one fills it with NaN beforehand.
@pytest.fixture(scope="module", params=["sanitized", "plain"])
def gather(open_kernels: Open, request: pytest.FixtureRequest) -> Gather:
    return Gather(open_kernels(*GATHER_SOURCES, flavour=request.param))


def same_bits(one: Any, other: Any) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_the_mean_has_the_bits_of_the_oracle(gather: Gather, kind: Any) -> None:
    for batch, count, channels, slots in SIZES:
        x = tokens((batch, count, channels), kind)
        slot = slots_of(batch, count, slots)

        merged = gather.merge(x, slot, slots)

        assert same_bits(merged, merge_reference(x, slot, slots=slots)), (batch, count, channels)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_order_of_threads_does_not_matter(gather: Gather, order: int) -> None:
    x = tokens((2, 300, 40), np.float32)
    slot = slots_of(2, 300, 45)

    merged = gather.merge(x, slot, 45, order=order)

    assert same_bits(merged, merge_reference(x, slot, slots=45))


# What a block lists at a time, and what makes it share a slot: 2,048 and 256 members.
@pytest.mark.parametrize("count", [256, 257, 2048, 2049, 2081, 4100, 6000])
@pytest.mark.parametrize("channels", [8, 33])
def test_a_constant_image_falls_into_one_slot(gather: Gather, count: int, channels: int) -> None:
    x = tokens((1, count, channels), np.float16)
    slot = np.full((1, count), 3, np.int32)

    merged = gather.merge(x, slot, 9)

    assert same_bits(merged, merge_reference(x, slot, slots=9))


@pytest.mark.parametrize("order", [0, 1, 2])
def test_long_and_short_lists_share_a_block(gather: Gather, order: int) -> None:
    lengths = [1, 1500, 0, 31, 32, 33, 0, 900, 2]
    slot = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    slot = np.random.default_rng(0).permutation(slot)[None]
    x = tokens((1, slot.size, 24), np.float32)

    merged = gather.merge(x, slot, len(lengths), order=order)

    assert same_bits(merged, merge_reference(x, slot, slots=len(lengths)))


# Rows of 75 words, of which a block adds three at a time, and of 300, more than it has threads.
@pytest.mark.parametrize("offset", [0, 4])
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("count", [700, 2100])
def test_wide_rows_fall_into_one_slot(gather: Gather, offset: int, order: int, count: int) -> None:
    x = tokens((1, count, 300), np.float32)
    slot = np.zeros((1, count), np.int32)

    merged = gather.merge(x, slot, 1, offset=offset, order=order)

    assert same_bits(merged, merge_reference(x, slot, slots=1))


def test_a_slot_without_members_is_zero(gather: Gather) -> None:
    x = tokens((1, 10, 8), np.float32)

    merged = gather.merge(x, np.full((1, 10), 70, np.int32), 80)

    assert same_bits(np.delete(merged, 70, axis=1), np.zeros((1, 79, 8), np.float32))


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_pointers_need_no_more_than_the_alignment_of_an_element(gather: Gather, kind: Any) -> None:
    x = tokens((2, 33, 64), kind)
    slot = slots_of(2, 33, 12)

    merged = gather.merge(x, slot, 12, offset=kind.itemsize)

    assert same_bits(merged, merge_reference(x, slot, slots=12))


def test_a_slot_out_of_range_is_left_out(gather: Gather) -> None:
    x = tokens((1, 2500, 8), np.float32)
    slot = slots_of(1, 2500, 20)
    hostile = np.array([-1, 20, 21, 32, -INT_MAX - 1, INT_MAX, -32], np.int32)
    slot[0, ::5] = np.resize(hostile, 500)

    merged = gather.merge(x, slot, 20)

    known = (slot[0] >= 0) & (slot[0] < 20)
    assert same_bits(merged, merge_reference(x[:, known], slot[:, known], slots=20))


@pytest.mark.parametrize(
    "sizes",
    [(0, 4, 4, 2), (1, 0, 4, 2), (1, 4, 0, 2), (1, 4, 4, 0), (1, 1 << 26, 4, 2), (-1, 4, 4, 2)],
)
def test_sizes_that_mean_nothing_are_refused(gather: Gather, sizes: tuple[int, ...]) -> None:
    x, slot = tokens((1, 4, 4), np.float32), slots_of(1, 4, 2)
    out = poisoned((1, 2, 4), np.float32)

    answer = gather.kernels.call("merge", x, slot, out, 0, *sizes, 0)

    assert answer.code != 0
    assert same_bits(answer.arrays[2], out)
