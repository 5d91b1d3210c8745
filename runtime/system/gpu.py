"""Which GPU this machine has, asked of the driver itself.

libcuda is there wherever a CUDA program can run; NVML (nvidia-ml-py) is not on every Jetson, and
nvidia-smi is a program that need not be on the PATH.
"""

import ctypes

__all__ = ["gpu_compute_capability"]

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*, cuda.h


def gpu_compute_capability() -> str | None:
    """Return the compute capability of the first GPU ("8.9"), or None without GPU or driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return None
    return f"{_attribute(driver, _MAJOR)}.{_attribute(driver, _MINOR)}"


def _attribute(driver: ctypes.CDLL, attribute: int) -> int:
    value = ctypes.c_int(0)
    driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, 0)
    return value.value
