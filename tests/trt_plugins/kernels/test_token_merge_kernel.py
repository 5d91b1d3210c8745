"""The merge kernel's own source against the oracle, under sanitizers."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.kernels.list_lengths import TokenMap, read_token_maps
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


# Around the 64 members that make a block share a slot, and around windows of 8,192 tokens, whose
# last group stays open for the next.
@pytest.mark.parametrize("count", [31, 64, 65, 97, 8192, 8193, 8300, 16400])
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


def map_of(lengths: Any, singles: int, seed: int = 0) -> NDArray[np.int32]:
    """Slots (1, N): some with one member each, then one for every length, in any order."""
    lists = np.repeat(np.arange(len(lengths)), lengths) + singles
    slot = np.concatenate([np.arange(singles), lists]).astype(np.int32)
    return np.random.default_rng(seed).permutation(slot)[None]


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("channels", [8, 40, 33, 320])
def test_singles_are_copied(gather: Gather, kind: Any, channels: int) -> None:
    slot = np.concatenate([map_of([3, 0, 40, 1], 300, seed) for seed in range(2)])
    x = tokens((*slot.shape, channels), kind)

    merged = gather.merge(x, slot, 304, singles=300)

    assert same_bits(merged, merge_reference(x, slot, slots=304, singles=300))


@pytest.mark.parametrize("singles", [0, 1, 70])
@pytest.mark.parametrize("lengths", [[], [0], [1], [500], [500, 1], [0, 0, 9, 0, 200, 0, 0, 0, 0]])
def test_singles_and_lists_of_any_length(gather: Gather, singles: int, lengths: list[int]) -> None:
    slot = map_of(lengths, singles)
    slots = singles + len(lengths)
    x = tokens((1, slot.size, 24), np.float16)
    if not slot.size:
        return

    merged = gather.merge(x, slot, slots, singles=singles)

    assert same_bits(merged, merge_reference(x, slot, slots=slots, singles=singles))


# A list that 8,192 tokens and the next ones share, with lists that neither half has much of.
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("singles", [0, 2000])
def test_lists_go_on_in_the_next_window(gather: Gather, singles: int, order: int) -> None:
    lengths = [9000, 70, 0, 33, 1, 2, 64, 65, 100]
    slot = map_of(lengths, singles)
    slots = singles + len(lengths)
    x = tokens((1, slot.size, 8), np.float32)

    merged = gather.merge(x, slot, slots, singles=singles, order=order)

    assert same_bits(merged, merge_reference(x, slot, slots=slots, singles=singles))


REAL = [row for row in read_token_maps() if row.tokens >= 2048]


@pytest.mark.parametrize("row", REAL, ids=lambda row: f"{row.size}-{row.plan}-{row.tokens}")
def test_maps_of_pictures_at_their_own_size(gather: Gather, row: TokenMap) -> None:
    slot = map_of(row.lengths, row.singles)
    x = tokens((1, row.tokens, 40), np.float16)

    merged = gather.merge(x, slot, row.slots, singles=row.singles)

    assert same_bits(merged, merge_reference(x, slot, slots=row.slots, singles=row.singles))


@pytest.mark.parametrize("slot", [[0, 0, 0, 1], [5, 4, 3, 2], [0, -1, 99, 1]])
def test_a_broken_promise_touches_no_other_memory(gather: Gather, slot: list[int]) -> None:
    x = tokens((1, 4, 8), np.float32)

    merged = gather.merge(x, np.array([slot], np.int32), 6, singles=4)

    # A write outside of the arrays would have ended the call.
    only = x[:, :1] + 0 if slot[0] == 5 else np.zeros_like(x[:, :1])
    assert same_bits(merged[:, 5:], only)


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
    [
        (0, 4, 4, 2, 0),
        (1, 0, 4, 2, 0),
        (1, 4, 0, 2, 0),
        (1, 4, 4, 0, 0),
        (1, 1 << 26, 4, 2, 0),
        (-1, 4, 4, 2, 0),
        (1, 4, 4, 2, 3),
        (1, 4, 4, 2, -1),
    ],
)
def test_sizes_that_mean_nothing_are_refused(gather: Gather, sizes: tuple[int, ...]) -> None:
    x, slot = tokens((1, 4, 4), np.float32), slots_of(1, 4, 2)
    out = poisoned((1, 2, 4), np.float32)

    answer = gather.kernels.call("merge", x, slot, out, 0, *sizes, 0)

    assert answer.code != 0
    assert same_bits(answer.arrays[2], out)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_the_mean_of_what_is_infinite_is_infinite(gather: Gather, kind: Any) -> None:
    x = tokens((1, 40, 16), kind)
    x[0, 3, ::2], x[0, 7, 1::4] = np.inf, -np.inf
    slot = slots_of(1, 40, 5)

    y = gather.merge(x, slot, 5).astype(np.float32)

    expected = merge_reference(x, slot, slots=5).astype(np.float32)
    assert np.isinf(expected).any()
    assert np.array_equal(y, expected, equal_nan=True)
