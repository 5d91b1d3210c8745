"""Memory at fixed addresses: what goes there, what comes back, and that all is given back."""

import ctypes

import numpy as np
import pytest

from segpp.runtime.backends.engine.buffers import Buffers, Tensor, array_at, is_shared_memory
from segpp.runtime.backends.engine.cuda import CudaError
from tests.runtime.backends.engine.parts.cuda_on_cpu import CpuCuda, tensors

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_an_array_is_the_memory_at_its_address() -> None:
    memory = (ctypes.c_ubyte * 6)()
    tensor = Tensor("labels", (1, 2, 3), np.dtype("int8"), is_input=False)

    array_at(ctypes.addressof(memory), tensor)[...] = [[[1, 2, 3], [-1, 5, 6]]]

    assert bytes(memory) == b"\x01\x02\x03\xff\x05\x06"
    assert tensor.bytes == 6


@pytest.mark.parametrize("shape", [(), (1,), (2, 0)])
def test_a_scalar_and_an_empty_tensor_have_a_place_too(shape: tuple[int, ...]) -> None:
    buffers = Buffers(
        CpuCuda(), [Tensor("x", shape, np.dtype("float16"), is_input=True)], shared=False
    )

    assert buffers.take("x").shape == shape
    assert buffers.address("x") > 0


def test_a_gpu_of_its_own_memory_gets_copies_of_what_is_named_and_no_more() -> None:
    cuda = CpuCuda()
    buffers = Buffers(cuda, tensors(), shared=False)

    buffers.fill("x", X)
    buffers.upload(["x"], None)

    assert (array_at(buffers.address("x"), tensors()[0]) == X).all()
    array_at(buffers.address("y"), tensors()[1])[...] = X + 1
    buffers.download(["y"], None)
    assert (buffers.take("y") == X + 1).all()
    assert cuda.copies == [("upload", 24), ("download", 24)]


def test_shared_memory_is_read_and_written_in_place() -> None:
    cuda = CpuCuda(integrated=True)
    buffers = Buffers(cuda, tensors(), shared=is_shared_memory(cuda))

    buffers.fill("x", X)
    buffers.upload(["x"], None)
    buffers.download(["y", "z"], None)

    assert (array_at(buffers.address("x"), tensors()[0]) == X).all()
    assert cuda.copies == []


def test_what_was_taken_outlives_the_buffers() -> None:
    buffers = Buffers(CpuCuda(), tensors(), shared=False)
    buffers.fill("x", X)
    taken = buffers.take("x")

    buffers.fill("x", X + 5)
    buffers.close()

    assert (taken == X).all()


def test_values_of_another_type_are_not_converted_in_silence() -> None:
    buffers = Buffers(CpuCuda(), tensors(), shared=False)

    with pytest.raises(TypeError):
        buffers.fill("x", X.astype(np.float64))


class Small(CpuCuda):
    """Memory for the first tensors only."""

    def allocate(self, size: int) -> int:
        if len(self.memory) == 3:
            raise CudaError("cudaMalloc failed", "CUDA says: cudaErrorMemoryAllocation (2)")
        return super().allocate(size)


@pytest.mark.parametrize("shared", [False, True])
def test_all_memory_is_given_back_at_the_end_and_after_a_failure(*, shared: bool) -> None:
    cuda = CpuCuda()
    Buffers(cuda, tensors(), shared=shared).close()
    assert cuda.memory == {}

    small = Small()
    with pytest.raises(CudaError, match="cudaErrorMemoryAllocation"):
        Buffers(small, [*tensors(), *tensors()], shared=shared)
    assert small.memory == {}
