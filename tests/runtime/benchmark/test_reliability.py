"""What makes the numbers of a benchmark less certain than they look."""

from dataclasses import replace

import pytest

from segpp.runtime.benchmark.environment import SystemState
from segpp.runtime.benchmark.gpu_state import GpuState
from segpp.runtime.benchmark.reliability import reliability_warnings
from segpp.runtime.benchmark.report import BenchmarkReport
from tests.helpers.reports.benchmark_reports import BENCH, ENVIRONMENT, on_a_gpu, result


def warnings(bench: BenchmarkReport) -> str:
    return "\n".join(reliability_warnings(bench))


STEADY = replace(BENCH, results=(result("plain", [100.0, 101.0] * 400, 1.0),))


def test_a_steady_run_on_a_quiet_machine_is_not_doubted() -> None:
    assert warnings(STEADY) == ""


@pytest.mark.parametrize(
    ("bench", "told"),
    [
        (replace(BENCH, percents=(50, 99)), "3 calls are few: p50 11, p99 662 would be needed"),
        (BENCH, "unsteady: the inference time of plain varies by 33%"),
        (
            replace(STEADY, environment=replace(ENVIRONMENT, others=0.5)),
            "others used 50% of the CPUs",
        ),
        (replace(STEADY, environment=replace(ENVIRONMENT, stolen=0.05)), "hypervisor gave 5%"),
        (
            replace(
                STEADY,
                environment=replace(ENVIRONMENT, before=SystemState(governors=("powersave",))),
            ),
            "clocks follow the load (governor powersave)",
        ),
        (
            replace(
                STEADY,
                environment=replace(
                    ENVIRONMENT, before=SystemState(power_mode="0", clocks_fixed=False)
                ),
            ),
            "jetson_clocks is off",
        ),
    ],
)
def test_what_speaks_against_the_numbers_is_said(bench: BenchmarkReport, told: str) -> None:
    assert told in warnings(bench)


def test_transfers_that_take_longer_than_the_network_are_told_with_the_way_out() -> None:
    slow = replace(STEADY, results=(on_a_gpu("hq", [3.0, 3.0], transfer=2.0),))

    assert "hq spends more time on transfers (4.00 ms) than on the network (3.00 ms)" in warnings(
        slow
    )
    assert "transfers" not in warnings(replace(STEADY, results=(on_a_gpu("hq", [3.0, 3.0]),)))


@pytest.mark.parametrize(("clock", "told"), [(1200.0, True), (1900.0, False), (None, False)])
def test_a_gpu_below_its_clock_is_told(clock: float | None, *, told: bool) -> None:
    after = replace(ENVIRONMENT.after, gpu=GpuState(megahertz=clock, most_megahertz=1980.0))
    environment = replace(ENVIRONMENT, after=after)
    timed = replace(STEADY, results=(on_a_gpu("hq", [3.0]),), environment=environment)

    assert ("the GPU's clock was 1200 of 1980 MHz" in warnings(timed)) is told
    # A CPU's times do not depend on it.
    assert "GPU" not in warnings(replace(STEADY, environment=environment))
