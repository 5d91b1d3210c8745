"""The calls of CUDA: that NVIDIA's bindings take them, and what is said where there is no GPU."""

import sys
from types import ModuleType
from typing import Any

import pytest

from segpp.errors import MissingError
from segpp.runtime.backends.engine.cuda import Cuda, CudaError, load_cuda
from segpp.runtime.system.gpu import cuda_of_driver
from tests.runtime.backends.engine.parts.engines import NO_GPU_HERE

runtime = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings (extra rtx)")

STREAM, EVENT, GRAPH = runtime.cudaStream_t(0), runtime.cudaEvent_t(0), runtime.cudaGraph_t(0)
EXECUTABLE = runtime.cudaGraphExec_t(0)
CALLS: dict[str, tuple[Any, ...]] = {
    "allocate": (16,),
    "attribute": ("cudaDevAttrIntegrated",),
    "begin_capture": (STREAM,),
    "create_event": (),
    "create_stream": (),
    "destroy_event": (EVENT,),
    "destroy_executable": (EXECUTABLE,),
    "destroy_graph": (GRAPH,),
    "destroy_stream": (STREAM,),
    "device_address": (16,),
    "download": (16, 16, 4, STREAM),
    "elapsed_ms": (EVENT, EVENT),
    "end_capture": (STREAM,),
    "free": (16,),
    "free_host": (16,),
    "instantiate": (GRAPH,),
    "launch": (EXECUTABLE, STREAM),
    "record": (EVENT, STREAM),
    "synchronize": (STREAM,),
    "wait": (STREAM, EVENT),
    "upload": (16, 16, 4, STREAM),
}


@NO_GPU_HERE
@pytest.mark.parametrize("name", CALLS)
def test_the_bindings_take_the_arguments_of_every_call(name: str) -> None:
    """A wrong number or type of arguments is a TypeError, before CUDA is asked."""
    with pytest.raises(CudaError, match=r"failed\n  CUDA says: cudaErrorInsufficientDriver"):
        getattr(Cuda(runtime), name)(*CALLS[name])


@NO_GPU_HERE
@pytest.mark.parametrize("mapped", [False, True])
def test_the_bindings_take_both_kinds_of_pinned_memory(*, mapped: bool) -> None:
    with pytest.raises(CudaError, match="cudaHostAlloc failed"):
        Cuda(runtime).allocate_host(16, mapped=mapped)


def test_every_call_is_tried() -> None:
    calls = {name for name, one in vars(Cuda).items() if callable(one) and not name.startswith("_")}

    assert calls - {"call", "allocate_host", "forget_error"} == set(CALLS)


@NO_GPU_HERE
def test_a_missing_gpu_is_one_sentence() -> None:
    with pytest.raises(MissingError, match="no NVIDIA GPU answers here"):
        load_cuda()


def test_missing_bindings_name_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cuda", "cuda.bindings", "cuda.bindings.runtime", "cuda.cudart"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(MissingError, match=r"pip install 'cuda-bindings"):
        load_cuda()


@NO_GPU_HERE
def test_the_name_that_the_bindings_had_up_to_cuda_12_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older = ModuleType("cuda")
    older.cudart = runtime  # type: ignore[attr-defined]  # the same functions under another name
    monkeypatch.setitem(sys.modules, "cuda", older)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)

    with pytest.raises(MissingError, match="no NVIDIA GPU answers here"):
        load_cuda()


def test_bindings_that_need_a_driver_even_to_fail_are_no_crash() -> None:
    class Older:
        @staticmethod
        def cudaMalloc(_size: int) -> None:  # noqa: N802 - CUDA's name
            raise RuntimeError('Function "cuInit" not found')  # cuda-python 12.6

    with pytest.raises(CudaError, match="cuInit"):
        Cuda(Older).allocate(16)


@NO_GPU_HERE
def test_without_a_driver_there_is_no_version_of_cuda() -> None:
    assert cuda_of_driver() is None
