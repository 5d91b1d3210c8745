"""Times by hand, and what must never get slower: a faster board, fewer bits, a smaller picture."""

from dataclasses import replace

import pytest

from segpp.inspection.board.boards import BOARDS, Board
from segpp.inspection.board.layers import Layer
from segpp.inspection.board.roofline import AT_BEST, AT_WORST, estimate_latency

BOARD = Board("test", 10, 1e9, 1000, 2, 100e9, 8 * 10**9)
PRODUCT = Layer("attention", "MatMul", 10**9, "fp16", tensor_cores=True, least=10**6, most=10**7)


def test_a_product_takes_its_arithmetic_where_that_is_longer() -> None:
    estimate = estimate_latency([PRODUCT], BOARD)

    rate = 10 * 1e9 * 1000
    assert BOARD.rates["fp16"] == rate
    best, worst = estimate.total.seconds
    assert best == pytest.approx(1e9 / (rate * AT_BEST.arithmetic) + AT_BEST.launch)
    assert worst == pytest.approx(1e9 / (rate * AT_WORST.arithmetic) + AT_WORST.launch)
    assert estimate.total.memory_bound == 0


def test_a_copy_takes_its_memory_traffic() -> None:
    copied = replace(PRODUCT, macs=0)

    estimate = estimate_latency([copied], BOARD)

    best, worst = estimate.total.seconds
    assert best == pytest.approx(1e6 / (100e9 * AT_BEST.bandwidth) + AT_BEST.launch)
    assert worst == pytest.approx(1e7 / (100e9 * AT_WORST.bandwidth) + AT_WORST.launch)


def test_what_disappears_into_another_layer_takes_no_time_at_best() -> None:
    fused = replace(PRODUCT, macs=0, least=0)

    best, worst = estimate_latency([fused], BOARD).total.seconds

    assert best == 0
    assert worst > 0


def test_parts_add_up_to_the_total() -> None:
    layers = [PRODUCT, replace(PRODUCT, part="head", macs=5), replace(PRODUCT, part="head")]

    estimate = estimate_latency(layers, BOARD)

    assert [part.part for part in estimate.parts] == ["attention", "head"]
    for index in (0, 1):
        whole = estimate.total.seconds[index]
        assert sum(part.seconds[index] for part in estimate.parts) == pytest.approx(whole)
    assert sum(part.macs for part in estimate.parts) == estimate.total.macs


@pytest.mark.parametrize("end", [0, 1])
def test_fewer_bits_are_never_slower(end: int) -> None:
    times = [
        estimate_latency([replace(PRODUCT, precision=p)], BOARD).total.seconds[end]
        for p in ("fp32", "fp16", "int8")
    ]

    assert times == sorted(times, reverse=True)
    assert times[0] > times[2]


@pytest.mark.parametrize("end", [0, 1])
def test_every_larger_orin_is_faster_than_the_smaller_one(end: int) -> None:
    order = ["orin-nano", "orin-nano-super", "agx-orin", "thor"]

    times = [estimate_latency([PRODUCT], BOARDS[name]).total.seconds[end] for name in order]

    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("name", BOARDS)
def test_the_best_is_never_above_the_worst(name: str) -> None:
    best, worst = estimate_latency([PRODUCT], BOARDS[name]).total.seconds

    assert 0 < best < worst
