"""A stale engine, built again by the real compiler of the file that it came from."""

from pathlib import Path

import pytest

from segpp.errors import InputError, MissingError
from segpp.manifest import read_manifest
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from segpp.runtime.backends.engine.rebuild import open_current, rebuild
from segpp.runtime.backends.engine.trust import StaleEngineError
from tests.runtime.backends.engine.parts.engines import NO_GPU_HERE, written_by

pytestmark = pytest.mark.rtx
RTX = BACKENDS["tensorrt-rtx"]


def test_a_stale_engine_is_replaced_by_one_of_the_version_that_is_here(rtx_engine: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    stale = written_by(rtx_engine, (1, 4, 0, 76))

    rebuild(rtx_engine, stale)

    manifest = read_manifest(rtx_engine)
    assert manifest.engine
    assert manifest.engine.version == trt.__version__
    assert manifest.source == stale.source


@pytest.mark.parametrize("change", ["altered", "gone"])
def test_of_another_onnx_file_nothing_is_rebuilt(rtx_engine: Path, change: str) -> None:
    stale = written_by(rtx_engine, (1, 4, 0, 76))
    before = rtx_engine.read_bytes()
    onnx = rtx_engine.with_suffix(".onnx")
    if change == "gone":
        onnx.unlink()
    else:
        onnx.write_bytes(onnx.read_bytes() + b"\0")

    said = "of which it was built, is not beside it" if change == "gone" else "is not the file of"
    with pytest.raises(InputError if change == "altered" else MissingError, match=said):
        rebuild(rtx_engine, stale)

    assert rtx_engine.read_bytes() == before


@NO_GPU_HERE
def test_where_no_gpu_is_nothing_is_rebuilt_that_could_not_run(rtx_engine: Path) -> None:
    stale = written_by(rtx_engine, (1, 4, 0, 76))
    before = rtx_engine.read_bytes()

    with pytest.raises(MissingError, match="none answers here"):
        open_current(RTX, rtx_engine, BackendConfig(), stale)

    assert rtx_engine.read_bytes() == before


def test_an_engine_without_a_manifest_tells_of_nothing_to_build_it_of(rtx_engine: Path) -> None:
    written_by(rtx_engine, (1, 4, 0, 76))
    rtx_engine.with_name("net.engine.json").unlink()

    with pytest.raises(StaleEngineError):
        open_current(RTX, rtx_engine, BackendConfig(trust=True), None)


@NO_GPU_HERE
def test_an_engine_that_is_not_stale_is_not_built_again(rtx_engine: Path) -> None:
    before = rtx_engine.stat().st_mtime_ns

    with pytest.raises(MissingError):
        open_current(RTX, rtx_engine, BackendConfig(), read_manifest(rtx_engine))

    assert rtx_engine.stat().st_mtime_ns == before
