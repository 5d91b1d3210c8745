"""Kernels compiled for the CPU, plain and under sanitizers, each in a process of its own."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.trt_plugins.kernels.kernel_library import Kernels, build, compiler

Open = Callable[..., Kernels]


@pytest.fixture(scope="session")
def open_kernels() -> Iterator[Open]:
    """Build a library and open it: ``open_kernels(*sources, flavour="sanitized", flags=())``."""
    if not shutil.which(compiler()):
        pytest.skip(f"no C++ compiler ({compiler()}) to build the kernels with")
    opened: dict[object, Kernels] = {}

    def open_once(
        *sources: Path, flavour: str = "sanitized", flags: tuple[str, ...] = ()
    ) -> Kernels:
        key = (sources, flavour, flags)
        if key not in opened:
            library = build(sources, flavour, *flags)
            opened[key] = Kernels(library, sanitized=flavour == "sanitized")
        return opened[key]

    yield open_once
    for kernels in opened.values():
        kernels.close()
