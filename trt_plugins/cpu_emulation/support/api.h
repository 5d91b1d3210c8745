//! The part of the CUDA runtime's interface that needs no device.
#pragma once

#include "math/vector_types.h"

#include <cstddef>
#include <cstring>

enum cudaError_t
{
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorNotSupported = 801,
};

using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;

enum cudaFuncAttribute
{
    cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
    cudaFuncAttributePreferredSharedMemoryCarveout = 9,
};

//! The versions of the code that runs, as 87.
struct cudaFuncAttributes
{
    int ptxVersion{0};
    int binaryVersion{0};
};

enum cudaDeviceAttr
{
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};

enum cudaMemcpyKind
{
    cudaMemcpyHostToHost = 0,
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3,
    cudaMemcpyDefault = 4,
};

struct cudaLaunchAttribute;

struct cudaLaunchConfig_t
{
    dim3 gridDim{};
    dim3 blockDim{};
    std::size_t dynamicSmemBytes{0};
    cudaStream_t stream{nullptr};
    cudaLaunchAttribute* attrs{nullptr};
    unsigned int numAttrs{0};
};

inline char const* cudaGetErrorString(cudaError_t error) noexcept
{
    switch (error)
    {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorNotSupported: return "operation not supported";
    }
    return "unrecognized error code";
}

namespace cpu_emulation
{

// What a refused launch leaves behind, besides returning it.
inline cudaError_t lastError = cudaSuccess;

} // namespace cpu_emulation

inline cudaError_t cudaPeekAtLastError() noexcept
{
    return cpu_emulation::lastError;
}
inline cudaError_t cudaGetLastError() noexcept
{
    cudaError_t const error = cpu_emulation::lastError;
    cpu_emulation::lastError = cudaSuccess;
    return error;
}
inline cudaError_t cudaGetDevice(int* device) noexcept
{
    *device = 0;
    return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) noexcept
{
    return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(
    void* to, int value, std::size_t bytes, cudaStream_t = nullptr) noexcept
{
    std::memset(to, value, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind,
    cudaStream_t = nullptr) noexcept
{
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}
