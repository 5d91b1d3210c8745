"""Kernels compiled for the CPU, plain and under sanitizers, each in a process of its own.

``SEGPP_KERNELS_ON=cuda`` compiles them by nvcc and runs them on the GPU instead, and
``SEGPP_KERNELS_ON=board`` for aarch64, and runs them there under the board's emulator.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trt_plugins.kernels.board_library import on_board
from tests.trt_plugins.kernels.device_library import build_for_device
from tests.trt_plugins.kernels.kernel_library import Kernels, build, compiler

Open = Callable[..., Kernels]

ON = os.environ.get("SEGPP_KERNELS_ON", "cpu")
ON_DEVICE, ON_BOARD = ON == "cuda", ON == "board"
NOTES = {
    "cuda": "kernels run on the GPU at hand, between guard bands. A test's order of threads,"
    " kind of device and number of processors are the GPU's own; there are no sanitizers; tests of"
    " the CPU emulation (marked emulation) are left out.",
    "board": "kernels run as a board's code on an emulated aarch64, between guard bands. There are"
    " no sanitizers; tests of the CPU emulation (marked emulation) are left out.",
}


def pytest_configure() -> None:
    if ON not in ("cpu", *NOTES):
        raise pytest.UsageError(f"SEGPP_KERNELS_ON={ON}: it is one of cpu, {', '.join(NOTES)}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if ON in NOTES:
        terminalreporter.write_line(f"SEGPP_KERNELS_ON={ON}: {NOTES[ON]}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if ON not in NOTES:
        return
    left_out = [item for item in items if item.get_closest_marker("emulation")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def open_kernels() -> Iterator[Open]:
    """Build a library and open it: ``open_kernels(*sources, flavour="sanitized", flags=())``.

    On the GPU there is one library of all kernels, whatever the sources and the flavour.
    """
    if ON == "cpu" and not shutil.which(compiler()):
        pytest.skip(f"no C++ compiler ({compiler()}) to build the kernels with")
    opened: dict[object, Kernels] = {}

    def open_once(
        *sources: Path, flavour: str = "sanitized", flags: tuple[str, ...] = ()
    ) -> Kernels:
        key = "device" if ON_DEVICE else (sources, flavour, flags)
        if key not in opened:
            opened[key] = _opened(sources, flavour, flags)
        return opened[key]

    yield open_once
    for kernels in opened.values():
        kernels.close()


def _opened(sources: tuple[Path, ...], flavour: str, flags: tuple[str, ...]) -> Kernels:
    if ON_DEVICE:
        return Kernels(build_for_device(), sanitized=False)
    if ON_BOARD:
        return on_board(sources, flags)
    return Kernels(build(sources, flavour, *flags), sanitized=flavour == "sanitized")
