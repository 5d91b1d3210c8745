"""Which GPU this machine has, asked of the driver itself.

libcuda is there wherever a CUDA program can run; NVML (nvidia-ml-py) is not on every Jetson, and
nvidia-smi is a program that need not be on the PATH.
"""

import ctypes

__all__ = ["cuda_of_driver", "gpu_compute_capability", "gpu_name"]

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*, cuda.h
_MOST_LETTERS = 256


def gpu_compute_capability() -> str | None:
    """Return the compute capability of the first GPU ("8.9"), or None without GPU or driver."""
    driver = _driver()
    if driver is None:
        return None
    return f"{_attribute(driver, _MAJOR)}.{_attribute(driver, _MINOR)}"


def gpu_name() -> str | None:
    """Return what the driver calls the first GPU, or None without GPU or driver."""
    driver = _driver()
    if driver is None:
        return None
    name = ctypes.create_string_buffer(_MOST_LETTERS)
    driver.cuDeviceGetName(name, _MOST_LETTERS, 0)
    return name.value.decode(errors="replace") or None


def cuda_of_driver() -> tuple[int, int] | None:
    """Return the newest CUDA (major, minor) that the driver serves, or None without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    number = ctypes.c_int(0)
    if driver.cuDriverGetVersion(ctypes.byref(number)) or not number.value:
        return None
    # 12060 is 12.6.
    return number.value // 1000, number.value % 1000 // 10


def _driver() -> ctypes.CDLL | None:
    """Return the driver, if it has a GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return None
    return driver


def _attribute(driver: ctypes.CDLL, attribute: int) -> int:
    value = ctypes.c_int(0)
    driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, 0)
    return value.value
