"""tensorrt as a backend, where it is not installed; with it, what ``make test-tensorrt`` has."""

from pathlib import Path

import pytest

from segpp.errors import GraphError, InputError, MissingError
from segpp.runtime.backends.base import BACKENDS, BackendConfig, backends_for
from segpp.runtime.inference.choose_backend import choose_backend
from segpp.runtime.system.packages import is_installed
from tests.runtime.backends.engine.parts.engines import header_of


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """The header of an engine of TensorRT 10.3.0."""
    path = tmp_path / "net.engine"
    path.write_bytes(header_of((10, 3, 0, 30), magic=b"ftrt"))
    return path


def test_an_engine_finds_its_library_by_its_first_bytes(engine: Path) -> None:
    assert choose_backend("auto", engine, None) == "tensorrt"
    assert choose_backend("tensorrt", engine, None) == "tensorrt"
    with pytest.raises(InputError, match=r"it is an engine of tensorrt\n.*`backend=tensorrt`"):
        choose_backend("tensorrt-rtx", engine, None)


@pytest.mark.skipif(is_installed("tensorrt"), reason="it is installed here")
def test_without_the_library_its_extra_is_named(engine: Path) -> None:
    with pytest.raises(MissingError, match="TensorRT is not installed") as failure:
        BACKENDS["tensorrt"].open(engine, BackendConfig())

    assert "pip install 'segpp[tensorrt]'" in str(failure.value)


def test_an_onnx_file_is_built_first(tmp_path: Path) -> None:
    path = tmp_path / "my net.onnx"
    path.write_bytes(b"\x08\x08\x12\x00")

    with pytest.raises(InputError, match=r"tensorrt does not run .*my net\.onnx") as failure:
        choose_backend("tensorrt", path, None)

    assert f"segpp-build-engine '{path}' 'my net'.engine --backend tensorrt" in str(failure.value)


def test_a_file_that_only_has_the_name_of_an_engine_is_told_by_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "net.engine"
    path.write_bytes(b"PK\x03\x04" + bytes(60))

    with pytest.raises(GraphError, match="is not an engine\n  it looks like a zip archive"):
        choose_backend("auto", path, None)


def test_engines_have_their_own_backends_and_onnx_files_none_of_them() -> None:
    assert set(backends_for(".engine")) == {"tensorrt", "tensorrt-rtx"}
    assert set(backends_for(".plan")) == {"tensorrt", "tensorrt-rtx"}
    assert "tensorrt" not in backends_for(".onnx")
