"""What the real library makes of bytes, as far as it does so without a GPU."""

import gc
from pathlib import Path

import pytest

from segpp.errors import GraphError, InputError
from segpp.runtime.backends.engine import loading
from segpp.runtime.backends.engine.loading import _plain, deserialize, load_plugins, new_log

trt = pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
pytestmark = pytest.mark.rtx


def load(path: Path, blob: bytes) -> None:
    deserialize(trt, new_log(trt), path, blob, runs_host_code=False)


@pytest.mark.parametrize("kept", [0.5, 100])
def test_a_part_of_an_engine_is_refused_by_the_library_in_one_sentence(
    rtx_engine: Path, kept: float
) -> None:
    whole = rtx_engine.read_bytes()
    part = whole[: int(kept * len(whole)) if kept < 1 else int(kept)]

    with pytest.raises(GraphError, match=r"^tensorrt_rtx 1\.\S+ cannot load ") as failure:
        load(rtx_engine, part)

    [reason] = failure.value.facts
    assert reason.startswith("Serialization assertion plan.header.size == blobSize failed")


def test_what_is_no_engine_is_refused_by_the_library_in_one_sentence(rtx_engine: Path) -> None:
    with pytest.raises(GraphError) as failure:
        load(rtx_engine, b"hello world" * 100)

    [reason] = failure.value.facts
    assert "\n" not in reason
    assert reason.startswith("Serialization assertion header.magicTag")


def test_the_library_has_one_logger_as_long_as_the_process_lives() -> None:
    """It keeps the first that it was given without keeping it alive, and crashed on a dead one."""
    one, other = new_log(trt), new_log(trt)
    kept = id(one.logger)
    assert one.logger is other.logger

    del one, other
    gc.collect()

    assert id(new_log(trt).logger) == kept
    assert any(id(logger) == kept for logger in loading._loggers.values())


def test_two_logs_do_not_mix(rtx_engine: Path) -> None:
    one, other = new_log(trt), new_log(trt)

    with pytest.raises(GraphError):
        deserialize(trt, one, rtx_engine, b"x" * 64, runs_host_code=False)

    assert one.errors
    assert other.errors == []
    assert other.reasons() == []


def test_the_sentence_inside_an_error_is_told_without_its_wrapping() -> None:
    said = (
        "IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (In ScopedCudaStream at "
        "/_src/common/dispatch/cudaResources.cpp:25 (cudaError 35: CUDA driver version is "
        "insufficient for CUDA runtime version))"
    )

    assert _plain(said) == (
        "In ScopedCudaStream at /_src/common/dispatch/cudaResources.cpp:25 (cudaError 35: CUDA "
        "driver version is insufficient for CUDA runtime version)"
    )
    assert _plain("out of memory") == "out of memory"


def test_a_library_of_plugins_that_is_none_is_refused(tmp_path: Path) -> None:
    library = tmp_path / "libsegpp_plugins.so"
    library.write_bytes(b"\x7fELF nothing")

    with pytest.raises(InputError, match=r"does not take the plugin library .*libsegpp_plugins"):
        load_plugins(trt, library)
