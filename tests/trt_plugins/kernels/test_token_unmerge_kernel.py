"""The unmerge kernels' own source against the oracle, under sanitizers."""

from typing import Any

import numpy as np
import pytest

from segpp.ops import unmerge_add_reference, unmerge_reference
from tests.trt_plugins.conftest import Open
from tests.trt_plugins.kernels.gather_kernels import (
    GATHER_SOURCES,
    SIZES,
    TYPES,
    Gather,
    slots_of,
    tokens,
)

INT_MAX = 2**31 - 1


@pytest.fixture(scope="module")
def gather(open_kernels: Open) -> Gather:
    return Gather(open_kernels(*GATHER_SOURCES))


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("order", [0, 1])
def test_every_token_takes_the_bits_of_its_slot(gather: Gather, kind: Any, order: int) -> None:
    for batch, count, channels, slots in SIZES:
        y = tokens((batch, slots, channels), kind)
        slot = slots_of(batch, count, slots)

        x = gather.unmerge(y, slot, order=order)

        assert x.tobytes() == unmerge_reference(y, slot).tobytes(), (batch, count, channels)


@pytest.mark.parametrize("offset", [2, 4, 8, 16])
def test_pointers_need_no_more_than_the_alignment_of_an_element(
    gather: Gather, offset: int
) -> None:
    y = tokens((2, 7, 640), np.float16)
    slot = slots_of(2, 33, 7)

    x = gather.unmerge(y, slot, offset=offset)

    assert x.tobytes() == unmerge_reference(y, slot).tobytes()


def test_bits_that_are_no_number_are_copied_too(gather: Gather) -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 16, (1, 64, 33)).astype(np.uint16)
    y = bits.view(np.float16)
    slot = slots_of(1, 100, 64)

    x = gather.unmerge(y, slot)

    assert x.tobytes() == unmerge_reference(y, slot).tobytes()


def test_a_slot_out_of_range_gives_a_zero_row(gather: Gather) -> None:
    y = tokens((2, 5, 8), np.float32)
    slot = slots_of(2, 64, 5)
    hostile = np.array([-1, 5, 6, -INT_MAX - 1, INT_MAX], np.int32)
    slot[:, ::3] = np.resize(hostile, slot[:, ::3].shape)

    x = gather.unmerge(y, slot)

    known = (slot >= 0) & (slot < 5)
    expected = unmerge_reference(y, np.where(known, slot, 0)) * known[..., None]
    assert (x == expected).all()
    assert not x[~known].any()


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("order", [0, 1])
def test_every_token_and_the_row_of_its_slot_are_added_and_rounded_once(
    gather: Gather, kind: Any, order: int
) -> None:
    for batch, count, channels, slots in SIZES:
        y = tokens((batch, slots, channels), kind)
        residual = tokens((batch, count, channels), kind, seed=1)
        slot = slots_of(batch, count, slots)

        x = gather.unmerge_add(y, slot, residual, order=order)

        expected = unmerge_add_reference(y, slot, residual)
        assert x.tobytes() == expected.tobytes(), (batch, count, channels)


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("offsets", [(4, 4), (8, 0), (0, 8), (0, 4), (16, 16)])
def test_sums_need_no_more_than_the_alignment_of_an_element(
    gather: Gather, offsets: tuple[int, int], kind: Any
) -> None:
    y, residual = tokens((2, 7, 640), kind), tokens((2, 33, 640), kind, seed=1)
    slot, (offset, own) = slots_of(2, 33, 7), offsets

    x = gather.unmerge_add(y, slot, residual, offset=offset, residual_offset=own)

    assert x.tobytes() == unmerge_add_reference(y, slot, residual).tobytes()


def test_a_sum_that_has_no_number_in_its_type_is_infinite(gather: Gather) -> None:
    y, residual = np.full((1, 1, 8), 60_000, np.float16), np.full((1, 3, 8), 60_000, np.float16)
    residual[:, 1] = -60_000

    x = gather.unmerge_add(y, np.zeros((1, 3), np.int32), residual)

    assert (x[0, :, 0] == [np.inf, 0, np.inf]).all()


def test_to_a_token_of_no_slot_nothing_is_added(gather: Gather) -> None:
    y, residual = tokens((2, 5, 8), np.float32), tokens((2, 64, 8), np.float32, seed=1)
    slot = slots_of(2, 64, 5)
    hostile = np.array([-1, 5, 6, -INT_MAX - 1, INT_MAX], np.int32)
    slot[:, ::3] = np.resize(hostile, slot[:, ::3].shape)

    x = gather.unmerge_add(y, slot, residual)

    known = (slot >= 0) & (slot < 5)
    expected = residual + unmerge_reference(y, np.where(known, slot, 0)) * known[..., None]
    assert (x == expected).all()


def test_a_refused_launch_leaves_no_error_behind(gather: Gather) -> None:
    answer = gather.kernels.call("refusedLaunch")

    assert answer.code == 0
