"""What every backend owes, found for each that is registered; their own files test the rest."""

import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from segpp.errors import GraphError, InputError, MissingError
from segpp.runtime.backends.base import (
    BACKENDS,
    BackendConfig,
    BackendSpec,
    TensorInfo,
    backends_for,
)
from segpp.runtime.system.self_test import TINY_MODEL

ONNX_BACKENDS = backends_for(".onnx")


def installed(name: str) -> BackendSpec:
    spec = BACKENDS[name]
    for module in (spec.module, *spec.needs):
        pytest.importorskip(module, reason=f"{spec.title} (segpp[{spec.extra}]) is not installed")
    return spec


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Return a file that computes max(x, 0) for four numbers."""
    path = tmp_path / "relu.onnx"
    path.write_bytes(TINY_MODEL)
    return path


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_says_what_it_is_without_its_library(name: str) -> None:
    spec = BACKENDS[name]

    assert spec.title
    assert spec.module.isidentifier()
    assert spec.suffixes
    assert all(suffix.startswith(".") for suffix in spec.suffixes)


@pytest.mark.parametrize("name", ONNX_BACKENDS)
def test_a_backend_tells_its_tensors_and_returns_what_it_is_asked_for(
    name: str, network: Path
) -> None:
    config = BackendConfig(threads=1, cache=False)

    with closing(installed(name).open(network, config)) as backend:
        [y] = backend.run({"x": np.array([[-1, 0, 1, 2]], np.float32)}, ["y"])

    assert backend.inputs == (TensorInfo("x", (1, 4), "float32"),)
    assert backend.outputs == (TensorInfo("y", (1, 4), "float32"),)
    assert BACKENDS[name].module in backend.description
    assert y.tolist() == [[0, 0, 1, 2]]


@pytest.mark.parametrize("name", ONNX_BACKENDS)
def test_what_a_backend_returned_is_not_changed_by_its_next_call(name: str, network: Path) -> None:
    with closing(installed(name).open(network, BackendConfig(threads=1, cache=False))) as backend:
        [first] = backend.run({"x": np.full((1, 4), 3, np.float32)}, ["y"])
        backend.run({"x": np.full((1, 4), 5, np.float32)}, ["y"])

    assert first.tolist() == [[3, 3, 3, 3]]


@pytest.mark.parametrize("name", ONNX_BACKENDS)
def test_a_backend_refuses_what_it_cannot_honor(name: str, network: Path) -> None:
    spec = installed(name)

    with pytest.raises(InputError, match="provider"):
        spec.open(network, BackendConfig(provider="abacus"))
    with pytest.raises(InputError, match="precision"):
        spec.open(network, BackendConfig(precision="fp3"))


@pytest.mark.parametrize("name", ONNX_BACKENDS)
def test_a_damaged_file_is_an_error_of_ours(name: str, network: Path) -> None:
    spec = installed(name)
    network.write_bytes(TINY_MODEL[:-20])

    with pytest.raises(GraphError, match=r"relu\.onnx"):
        spec.open(network, BackendConfig())


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_without_its_library_names_the_extra_that_brings_it(
    name: str, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = BACKENDS[name]
    monkeypatch.setitem(sys.modules, spec.module, None)

    with pytest.raises(MissingError) as failure:
        spec.open(network, BackendConfig())

    assert f"pip install 'segpp[{spec.extra}]'" in str(failure.value)


def test_the_default_backend_comes_before_one_of_an_earlier_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ONNX_BACKENDS[0] == "onnxruntime"
    monkeypatch.setitem(BACKENDS._members, "abacus", BACKENDS["onnxruntime"])

    assert backends_for(".onnx")[:2] == ["onnxruntime", "abacus"]
    assert backends_for(".abacus") == []
