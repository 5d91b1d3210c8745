"""The GPU at hand, asked through the driver and nvidia-smi, without a CUDA runtime."""

import csv
import ctypes
import shutil
import subprocess
from dataclasses import dataclass

__all__ = ["Device", "clocks", "find_device", "queried"]

_MAJOR, _MINOR, _PROCESSORS = 75, 76, 16
_CLOCKS = ("clocks.sm", "clocks.mem", "power.draw", "temperature.gpu")


@dataclass(frozen=True)
class Device:
    """The first GPU: compute capability as 90, and its multiprocessors."""

    name: str
    capability: int
    processors: int


def find_device() -> Device | None:
    """Return the first GPU, or None where the driver knows none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        return None
    driver.cuDeviceGetName(name, 256, device)
    major, minor, processors = (
        _attribute(driver, device, number) for number in (_MAJOR, _MINOR, _PROCESSORS)
    )
    return Device(name.value.decode(), 10 * major + minor, processors)


def queried(*fields: str) -> dict[str, str]:
    """Return what nvidia-smi says of the first GPU; an unknown field says why it has no value."""
    return {field: _query(field) for field in fields}


def clocks() -> dict[str, str]:
    """Return MHz, watts and degrees of this moment."""
    together = _query(",".join(_CLOCKS))
    [values] = csv.reader([together], skipinitialspace=True)
    return dict(zip(_CLOCKS, values, strict=False))


def _attribute(driver: ctypes.CDLL, device: ctypes.c_int, number: int) -> int:
    value = ctypes.c_int()
    driver.cuDeviceGetAttribute(ctypes.byref(value), number, device)
    return value.value


def _query(fields: str) -> str:
    program = shutil.which("nvidia-smi")
    if not program:
        return "no nvidia-smi"
    command = [program, "-i", "0", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except subprocess.TimeoutExpired:
        return "nvidia-smi does not answer"
    return (done.stdout or done.stderr).strip()
