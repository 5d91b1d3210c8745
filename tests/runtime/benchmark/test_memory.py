"""Peak memory of one network, measured in a process of its own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.errors import GraphError
from segpp.images import sample_image
from segpp.runtime.benchmark.case import BenchmarkCase
from segpp.runtime.benchmark.memory import measure_peak_memory

Exported = Callable[[str, str, str], Path]


def test_peak_memory_is_that_of_the_network_not_of_the_caller(exported: Exported) -> None:
    network = exported("none", "128x256", "fp32")
    ballast = bytearray(os.urandom(1 << 20)) * 400

    found = measure_peak_memory(
        BenchmarkCase(network, "auto", "fp32"), sample_image(), {"threads": 1}
    )

    # A process that held the caller's 400 MB would show them before it loads anything.
    assert len(ballast) == 400 << 20
    assert found.before < 200e6
    assert found.peak > found.before + network.stat().st_size


def test_a_network_that_fails_in_its_own_process_is_told(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"own process|process of its own(.|\n)*does not exist"):
        measure_peak_memory(
            BenchmarkCase(tmp_path / "none.onnx", "auto", "fp32"), sample_image(), {}
        )
