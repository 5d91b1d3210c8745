//! Reductions over the lanes of a warp, with the instruction where the chip has it.
#pragma once

#include <cuda_runtime.h>

namespace segpp
{

constexpr int kWarp = 32;
constexpr unsigned int kAllLanes = 0xffffffffU;

// Unsigned until the end: of a number that could be negative both take four instructions.
__device__ __forceinline__ int laneId()
{
    return static_cast<int>(threadIdx.x % unsigned{kWarp});
}
__device__ __forceinline__ int warpId()
{
    return static_cast<int>(threadIdx.x / unsigned{kWarp});
}

//! Sum over the warp, in every lane.
__device__ __forceinline__ int warpSum(int value)
{
#if defined(SEGPP_CPU_EMULATION) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800)
    return __reduce_add_sync(kAllLanes, value);
#else
#pragma unroll
    for (int step = kWarp / 2; step > 0; step /= 2)
    {
        value += __shfl_xor_sync(kAllLanes, value, step);
    }
    return value;
#endif
}

//! The greatest over the warp, in every lane.
__device__ __forceinline__ unsigned int warpMax(unsigned int value)
{
#if defined(SEGPP_CPU_EMULATION) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800)
    return __reduce_max_sync(kAllLanes, value);
#else
#pragma unroll
    for (int step = kWarp / 2; step > 0; step /= 2)
    {
        value = max(value, __shfl_xor_sync(kAllLanes, value, step));
    }
    return value;
#endif
}

//! Sum over groups of ``lanes`` neighbouring lanes (a power of two), in every lane; the order of
//! additions depends on ``lanes`` alone.
__device__ __forceinline__ float laneSum(float value, int lanes = kWarp)
{
#pragma unroll
    for (int step = kWarp / 2; step > 0; step /= 2)
    {
        if (step < lanes)
        {
            value += __shfl_xor_sync(kAllLanes, value, step);
        }
    }
    return value;
}

//! Sum of the values of the lanes below this one.
__device__ __forceinline__ int warpSumBelow(int value)
{
    int sum = value;
#pragma unroll
    for (int step = 1; step < kWarp; step *= 2)
    {
        int const other = __shfl_up_sync(kAllLanes, sum, step);
        sum += laneId() >= step ? other : 0;
    }
    return sum - value;
}

} // namespace segpp
