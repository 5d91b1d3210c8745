"""Kernels compiled for the CPU, plain and under sanitizers, each in a process of its own.

``SEGPP_KERNELS_ON=cuda`` compiles them by nvcc and runs them on the GPU instead.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trt_plugins.kernels.device_library import build_for_device
from tests.trt_plugins.kernels.kernel_library import Kernels, build, compiler

Open = Callable[..., Kernels]

ON_DEVICE = os.environ.get("SEGPP_KERNELS_ON", "cpu") == "cuda"
NOT_ON_DEVICE = (
    "SEGPP_KERNELS_ON=cuda: kernels run on the GPU at hand, between guard bands. A test's order of"
    " threads, kind of device and number of processors are the GPU's own; there are no sanitizers;"
    " tests of the CPU emulation (marked emulation) are left out."
)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if ON_DEVICE:
        terminalreporter.write_line(NOT_ON_DEVICE)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not ON_DEVICE:
        return
    left_out = [item for item in items if item.get_closest_marker("emulation")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def open_kernels() -> Iterator[Open]:
    """Build a library and open it: ``open_kernels(*sources, flavour="sanitized", flags=())``.

    On the GPU there is one library of all kernels, whatever the sources and the flavour.
    """
    if not ON_DEVICE and not shutil.which(compiler()):
        pytest.skip(f"no C++ compiler ({compiler()}) to build the kernels with")
    opened: dict[object, Kernels] = {}

    def open_once(
        *sources: Path, flavour: str = "sanitized", flags: tuple[str, ...] = ()
    ) -> Kernels:
        key = "device" if ON_DEVICE else (sources, flavour, flags)
        if key not in opened:
            library = build_for_device() if ON_DEVICE else build(sources, flavour, *flags)
            opened[key] = Kernels(library, sanitized=flavour == "sanitized" and not ON_DEVICE)
        return opened[key]

    yield open_once
    for kernels in opened.values():
        kernels.close()
