"""What makes the numbers of a benchmark less certain than they look."""

from dataclasses import replace

import pytest

from segpp.runtime.benchmark.environment import SystemState
from segpp.runtime.benchmark.reliability import reliability_warnings
from segpp.runtime.benchmark.report import BenchmarkReport
from tests.helpers.benchmark_reports import BENCH, ENVIRONMENT, result


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
