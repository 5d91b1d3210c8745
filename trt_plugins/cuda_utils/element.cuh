//! Elements as numbers; sizes of launches.
#pragma once

#include "element_type.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace segpp
{

//! Whether rows of ``rowBytes`` at both addresses fall into words of ``bytes``.
inline bool aligned(
    std::size_t rowBytes, std::size_t bytes, void const* first, void const* second) noexcept
{
    auto const bits = rowBytes | reinterpret_cast<std::uintptr_t>(first)
        | reinterpret_cast<std::uintptr_t>(second);
    return bits % bytes == 0;
}

inline std::uint32_t blocksFor(std::int32_t items, std::int32_t perBlock) noexcept
{
    return (static_cast<std::uint32_t>(items) + perBlock - 1) / perBlock;
}

//! Whether ``rows`` rows of ``channels`` are few enough for 32-bit indices.
inline bool indexable(std::int32_t rows, std::int32_t channels) noexcept
{
    return rows > 0 && channels > 0 && std::int64_t{rows} * channels <= 0x7fffffff;
}

//! Images along y of the grid, which ends at 65535: kernels go round for more.
inline std::uint32_t imageBlocks(std::int32_t batch) noexcept
{
    return batch < 65535 ? static_cast<std::uint32_t>(batch) : 65535U;
}

//! A block of about ``threads``: columns of a row along x, as many rows along y as fit.
inline dim3 columnBlock(std::int32_t columns, std::int32_t threads) noexcept
{
    auto const width = static_cast<std::uint32_t>(columns < threads ? columns : threads);
    return {width, threads / width, 1};
}

__device__ inline float toFloat(float value)
{
    return value;
}

__device__ inline float toFloat(__half value)
{
    return __half2float(value);
}

__device__ inline float toFloat(__nv_bfloat16 value)
{
    return __bfloat162float(value);
}

template <typename T>
__device__ T fromFloat(float value);

template <>
__device__ inline float fromFloat<float>(float value)
{
    return value;
}

template <>
__device__ inline __half fromFloat<__half>(float value)
{
    return __float2half_rn(value);
}

template <>
__device__ inline __nv_bfloat16 fromFloat<__nv_bfloat16>(float value)
{
    return __float2bfloat16_rn(value);
}

} // namespace segpp
