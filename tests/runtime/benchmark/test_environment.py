"""What a machine's own files say about its clocks, its heat and its load."""

from pathlib import Path

import pytest

from segpp.runtime.benchmark.environment import (
    CpuUsage,
    SystemState,
    read_cpu_usage,
    read_system_state,
)


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def cpu(number: int, *, now: int, low: int, high: int, governor: str) -> dict[str, str]:
    folder = f"sys/devices/system/cpu/cpu{number}/cpufreq"
    return {
        f"{folder}/scaling_cur_freq": f"{now}\n",
        f"{folder}/scaling_min_freq": f"{low}\n",
        f"{folder}/scaling_max_freq": f"{high}\n",
        f"{folder}/scaling_governor": f"{governor}\n",
    }


ORIN = {
    "var/lib/nvpmodel/status": "pmode:0002 fmode:fanNull\n",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=2 NAME=MODE_30W >\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48500\n",
    "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
    "sys/class/thermal/thermal_zone1/temp": "broken\n",
    "proc/loadavg": "1.25 0.50 0.10 2/345 678\n",
    **cpu(0, now=1_510_400, low=1_510_400, high=1_510_400, governor="schedutil"),
    **cpu(1, now=1_190_400, low=729_600, high=1_510_400, governor="schedutil"),
}


def test_a_jetson_tells_its_mode_clocks_and_heat(tmp_path: Path) -> None:
    assert read_system_state(system(tmp_path, ORIN)) == SystemState(
        governors=("schedutil",),
        megahertz=(1190, 1510),
        clocks_fixed=False,
        power_mode="2 (MODE_30W)",
        load=(1.25, 0.5, 0.1),
        temperatures={"cpu-thermal": 48.5},
    )


def test_clocks_are_fixed_when_no_cpu_may_change_its_own(tmp_path: Path) -> None:
    fixed = cpu(1, now=1_510_400, low=1_510_400, high=1_510_400, governor="schedutil")

    assert read_system_state(system(tmp_path, {**ORIN, **fixed})).clocks_fixed is True


def test_a_machine_that_tells_nothing_is_no_failure(tmp_path: Path) -> None:
    assert read_system_state(tmp_path) == SystemState()
    assert read_cpu_usage(tmp_path) is None


def test_usage_is_what_the_kernel_counted(tmp_path: Path) -> None:
    # user nice system idle iowait irq softirq steal guest, in hundredths of a second
    stat = "cpu  100 200 300 1000 400 50 60 70 0 0\ncpu0 1 2 3 4\n"

    found = read_cpu_usage(system(tmp_path, {"proc/stat": stat}))

    assert found is not None
    assert found.busy == pytest.approx(7.1)
    assert found.stolen == pytest.approx(0.7)
    assert found.total == pytest.approx(21.8)


def test_others_are_whoever_is_not_us() -> None:
    start = CpuUsage(busy=10.0, stolen=1.0, own=3.0, total=100.0)
    end = CpuUsage(busy=16.0, stolen=1.5, own=5.0, total=120.0)

    # 6 s busy of 20, of which 2 were ours.
    assert end.since(start) == (pytest.approx(0.2), pytest.approx(0.025))
    assert start.since(start) == (0.0, 0.0)
