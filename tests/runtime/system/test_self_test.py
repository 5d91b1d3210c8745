"""The tests that an installation does of itself, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segpp.runtime.backends.base import BACKENDS, BackendConfig
from segpp.runtime.system.self_test import TINY_MODEL


def test_a_package_that_breaks_when_loaded_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "av.py").write_text("raise ImportError('libavcodec is gone')")

    done = subprocess.run(
        [sys.executable, "-m", "segpp.runtime.system.self_test", "video"],
        capture_output=True, text=True, check=False, timeout=60,
        env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ImportError: libavcodec is gone"


def test_the_tiny_network_is_what_it_says(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "tiny.onnx"
    path.write_bytes(TINY_MODEL)

    model = onnx.load(path)

    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Relu"]
    assert model.opset_import[0].version == 18
    [y] = (
        BACKENDS["onnxruntime"]
        .open(path, BackendConfig())
        .run({"x": np.array([[-1, 0, 1, 2]], np.float32)}, ["y"])
    )
    assert y.tolist() == [[0, 0, 1, 2]]
