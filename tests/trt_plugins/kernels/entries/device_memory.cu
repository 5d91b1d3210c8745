//! Memory of the GPU for callers without a CUDA runtime of their own; codes are cudaError_t.
#include <cuda_runtime.h>

#include <cstdint>

extern "C" int deviceAllocate(void** memory, std::int64_t bytes)
{
    return cudaMalloc(memory, static_cast<std::size_t>(bytes));
}

extern "C" int deviceFree(void* memory)
{
    return cudaFree(memory);
}

extern "C" int deviceCopy(void* to, void const* from, std::int64_t bytes)
{
    return cudaMemcpy(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault);
}

//! Waits for kernels; what a refused launch left behind is not the next caller's.
extern "C" int deviceSynchronize()
{
    cudaError_t const status = cudaDeviceSynchronize();
    cudaGetLastError();
    return status;
}

extern "C" char const* deviceError(int code)
{
    return cudaGetErrorString(static_cast<cudaError_t>(code));
}
