"""Under which conditions a machine measures: clocks, temperatures, load, and who else computes."""

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from segpp.runtime.benchmark.gpu_state import GpuState, query_nvpmodel, read_gpu_state
from segpp.runtime.system.system_files import read_system_file, read_thousandths

__all__ = ["CpuUsage", "SystemState", "read_cpu_usage", "read_system_state"]

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class SystemState:
    """What the system tells of one moment; empty or None where it does not.

    Args:
        governors: The CPUs' frequency policies, each once.
        megahertz: Lowest and highest current clock of the CPUs.
        clocks_fixed: Whether every CPU's lowest allowed clock is its highest, as after
            ``jetson_clocks``.
        power_mode: A Jetson's, as nvpmodel set it.
        load: Load average over a minute, five and fifteen.
        temperatures: Degrees Celsius by sensor.
        gpu: Clocks, heat and power of the first GPU.
    """

    governors: tuple[str, ...] = ()
    megahertz: tuple[int, int] | None = None
    clocks_fixed: bool | None = None
    power_mode: str | None = None
    load: tuple[float, ...] = ()
    temperatures: dict[str, float] = field(default_factory=dict)
    gpu: GpuState | None = None


@dataclass(frozen=True)
class CpuUsage:
    """CPU time since boot in seconds, over all CPUs.

    Args:
        busy: Anybody's.
        stolen: What the hypervisor gave to others.
        own: This process's.
        total: All there was, idle time included.
    """

    busy: float
    stolen: float
    own: float
    total: float

    def since(self, start: "CpuUsage") -> tuple[float, float]:
        """Return which shares of the CPUs others used and the hypervisor took since ``start``."""
        total = self.total - start.total
        if total <= 0:
            return 0.0, 0.0
        others = (self.busy - start.busy) - (self.own - start.own)
        return max(0.0, others) / total, (self.stolen - start.stolen) / total


def read_system_state(root: Path = Path("/")) -> SystemState:
    """Return the state now.

    Args:
        root: Where ``proc``, ``sys`` and ``var`` are.
    """
    cpus = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq"))
    clocks = [
        mhz for cpu in cpus if (mhz := read_thousandths(cpu / "scaling_cur_freq")) is not None
    ]
    return SystemState(
        governors=tuple(
            sorted({g for cpu in cpus if (g := read_system_file(cpu / "scaling_governor"))})
        ),
        megahertz=(round(min(clocks)), round(max(clocks))) if clocks else None,
        clocks_fixed=_clocks_fixed(cpus),
        power_mode=_power_mode(root),
        load=tuple(float(part) for part in read_system_file(root / "proc/loadavg").split()[:3]),
        temperatures=_temperatures(root),
        gpu=read_gpu_state(root),
    )


def read_cpu_usage(root: Path = Path("/")) -> CpuUsage | None:
    """Return the CPU time used so far, or None where the system does not tell."""
    line = re.match(r"cpu\s+([\d ]+)", read_system_file(root / "proc/stat"))
    if not line:
        return None
    user, nice, system, idle, waiting, *rest = (
        int(part) / _TICKS_PER_SECOND for part in line[1].split()
    )
    interrupts, stolen = sum(rest[:2]), rest[2] if len(rest) > 2 else 0.0  # noqa: PLR2004 - irq, softirq, steal
    busy = user + nice + system + interrupts
    return CpuUsage(busy, stolen, time.process_time(), busy + stolen + idle + waiting)


def _clocks_fixed(cpus: list[Path]) -> bool | None:
    limits = [
        (read_thousandths(c / "scaling_min_freq"), read_thousandths(c / "scaling_max_freq"))
        for c in cpus
    ]
    ranges = [(low, high) for low, high in limits if low is not None and high is not None]
    return all(low == high for low, high in ranges) if ranges else None


def _power_mode(root: Path) -> str | None:
    # "pmode:0002" or "pmode:0002 fmode:fanNull"; nvpmodel.conf gives the number its name.
    mode = re.search(r"pmode:0*(\d+)", read_system_file(root / "var/lib/nvpmodel/status"))
    if not mode:
        # Where the file is for root alone, the program may still tell.
        return query_nvpmodel() if root == Path("/") else None
    config = read_system_file(root / "etc/nvpmodel.conf")
    name = re.search(rf"POWER_MODEL\s+ID={mode[1]}\s+NAME=(\S+?)\s*>", config)
    return f"{mode[1]} ({name[1]})" if name else mode[1]


def _temperatures(root: Path) -> dict[str, float]:
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    return {
        read_system_file(zone / "type") or zone.name: degrees
        for zone in zones
        if (degrees := read_thousandths(zone / "temp")) is not None
    }
