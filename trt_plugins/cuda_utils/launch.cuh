//! Launches without <<<>>>, which only nvcc reads.
#pragma once

#include <cstddef>

#include <cuda_runtime.h>

namespace segpp
{

template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t sharedBytes,
    cudaStream_t stream, Arguments... arguments) noexcept
{
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = sharedBytes;
    config.stream = stream;
    cudaError_t const error
        = cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
    if (error != cudaSuccess)
    {
        // It is returned; left behind, it would look like an error of whoever asks next.
        cudaGetLastError();
    }
    return error;
}

//! The dynamic shared memory of the block, 16-byte aligned.
template <typename T = unsigned char>
__device__ __forceinline__ T* dynamicShared()
{
#if defined(SEGPP_CPU_EMULATION)
    return reinterpret_cast<T*>(cpu_emulation::dynamicShared.start);
#else
    extern __shared__ __align__(16) unsigned char segppDynamicShared[];
    return reinterpret_cast<T*>(segppDynamicShared);
#endif
}

} // namespace segpp
