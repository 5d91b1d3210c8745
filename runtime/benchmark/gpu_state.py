"""What a GPU is doing: its clocks, heat and power, from nvidia-smi, or on a Jetson from /sys.

A Jetson has no nvidia-smi, or one that tells nothing; its GPU's clock stands where the kernel keeps
those of every device that scales (devfreq), in hertz. Its heat is among the thermal zones.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segpp.runtime.system.system_files import read_system_file

__all__ = ["GpuState", "parse_nvidia_smi", "parse_nvpmodel", "query_nvpmodel", "read_gpu_state"]

# In the order of the fields of ``GpuState``; its names of the last years, old ones included.
_FIELDS = (
    "name",
    "driver_version",
    "clocks.sm",
    "clocks.max.sm",
    "clocks.mem",
    "temperature.gpu",
    "power.draw",
    "power.limit",
)
_SECONDS = 10

# The kernel's names for a Jetson's GPU: by its place, or by the chip.
_JETSON_GPU = re.compile(r"gpu|ga10b|gv11b|gb10b")
_HERTZ = 1e6


@dataclass(frozen=True)
class GpuState:
    """What is told of the first GPU; None where it is not.

    Args:
        name: Its maker's.
        driver: The driver's version.
        megahertz: Clock of its processors now.
        most_megahertz: The most that it may be.
        memory_megahertz: Clock of its memory now.
        celsius: Heat.
        watts: Power drawn now.
        most_watts: The most that it may draw.
        clock_fixed: Whether its clock may not change, as after ``jetson_clocks``.
    """

    name: str | None = None
    driver: str | None = None
    megahertz: float | None = None
    most_megahertz: float | None = None
    memory_megahertz: float | None = None
    celsius: float | None = None
    watts: float | None = None
    most_watts: float | None = None
    clock_fixed: bool | None = None


def read_gpu_state(root: Path = Path("/")) -> GpuState | None:
    """Return the state now, None without a GPU that tells anything.

    Args:
        root: Where ``proc`` and ``sys`` are; nvidia-smi is asked only about this machine.
    """
    if (jetson := _jetson(root)) is not None:
        return jetson
    if not (root / "proc/driver/nvidia/version").exists() or root != Path("/"):
        return None
    command = [f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits", "--id=0"]
    return parse_nvidia_smi(_told("nvidia-smi", command))


def parse_nvidia_smi(text: str) -> GpuState | None:
    """Return what a line of ``nvidia-smi --query-gpu --format=csv,noheader`` says, if anything."""
    values = [value.strip() for value in text.partition("\n")[0].split(",")]
    if len(values) != len(_FIELDS):
        return None
    name, driver, *rest = values
    now, most, memory, heat, power, most_power = map(_number, rest)
    return GpuState(_word(name), _word(driver), now, most, memory, heat, power, most_power)


def parse_nvpmodel(text: str) -> str | None:
    """Return the power mode that ``nvpmodel -q`` prints, as "2 (MODE_30W)"."""
    found = re.search(r"NV Power Mode:\s*(\S+)\s*\n\s*(\d+)", text)
    return f"{found[2]} ({found[1]})" if found else None


def query_nvpmodel() -> str | None:
    """Return the power mode as a Jetson's own program tells it, None where it is not."""
    return parse_nvpmodel(_told("nvpmodel", ["-q"]))


def _jetson(root: Path) -> GpuState | None:
    for folder in sorted((root / "sys/class/devfreq").glob("*")):
        if not _JETSON_GPU.search(folder.name):
            continue
        now, least, most = (_megahertz(folder / f"{name}_freq") for name in ("cur", "min", "max"))
        if now is not None:
            fixed = None if least is None or most is None else least == most
            return GpuState(megahertz=now, most_megahertz=most, clock_fixed=fixed)
    return None


def _megahertz(path: Path) -> float | None:
    text = read_system_file(path)
    return int(text) / _HERTZ if re.fullmatch(r"\d+", text) else None


def _told(program: str, arguments: Sequence[str]) -> str:
    """Return what a program of the driver prints, "" if it is not here or does not answer."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - by its full path
            [path, *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _number(text: str) -> float | None:
    # "1980", with units "1980 MHz", or "[N/A]".
    found = re.match(r"\d+(\.\d+)?", text)
    return float(found[0]) if found else None


def _word(text: str) -> str | None:
    return None if text.startswith("[") or not text else text
