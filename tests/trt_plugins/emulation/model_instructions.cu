//! What the emulated instructions give, for tests that know what they should.
#include "cuda_utils/launch.cuh"
#include "cuda_utils/mma.cuh"
#include "cuda_utils/warp.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <cstring>

namespace
{

using namespace segpp;

//! Row i of the output is what instruction i gives to the lanes.
__global__ void warpInstructions(int const* in, int* out)
{
    int const lane = laneId();
    int const value = in[lane];
    int const results[] = {
        __shfl_sync(kAllLanes, value, 5),
        __shfl_sync(kAllLanes, value, lane + 1, 8),
        __shfl_xor_sync(kAllLanes, value, 3),
        __shfl_up_sync(kAllLanes, value, 2),
        __shfl_up_sync(kAllLanes, value, 2, 8),
        __shfl_down_sync(kAllLanes, value, 3),
        __shfl_down_sync(kAllLanes, value, 3, 16),
        static_cast<int>(__ballot_sync(kAllLanes, value % 3 == 0)),
        static_cast<int>(__match_any_sync(kAllLanes, value % 4)),
        static_cast<int>(__reduce_add_sync(kAllLanes, value)),
        __reduce_min_sync(kAllLanes, value),
        __reduce_max_sync(kAllLanes, value),
        static_cast<int>(__reduce_or_sync(kAllLanes, static_cast<unsigned int>(value))),
        static_cast<int>(__reduce_and_sync(kAllLanes, static_cast<unsigned int>(value))),
        __any_sync(kAllLanes, value > 90),
        __all_sync(kAllLanes, value > 90),
        warpSumBelow(value),
        __popc(static_cast<unsigned int>(value)),
        __ffs(value),
        __clz(value),
        static_cast<int>(__byte_perm(static_cast<unsigned int>(value), 0x44332211U, 0x5410)),
        __syncthreads_count(value % 2),
        __syncthreads_or(value == 1000),
        __syncthreads_and(value < 1000),
    };
    for (int i = 0; i < static_cast<int>(sizeof(results) / sizeof(int)); ++i)
    {
        out[i * kWarp + lane] = results[i];
    }
}

//! Mistakes in the use of fragments, one at a time; 0 makes none.
enum Mistake
{
    kNone,
    kRegistersOfBSwapped,
    kRowsOfASwapped,
    kColumnsOfDSwapped,
    kMatricesSwapped,
};

//! d (16 x 8) = a (16 x 16) b^T (8 x 16); a and b lie in rows of 16 elements.
template <typename T>
__global__ void product(int mistake, std::uint16_t const* a, std::uint16_t const* b, float* d)
{
    auto* const rows = dynamicShared<std::uint16_t>();
    int const lane = laneId();
    for (int i = lane; i < 24 * 16; i += kWarp)
    {
        rows[i] = i < 256 ? a[i] : b[i - 256];
    }
    __syncwarp();
    std::uint32_t left[4];
    int const row = mistake == kMatricesSwapped ? (lane + 8) % 16 : lane % 16;
    loadMatrices(left, rows + row * 16 + lane / 16 * 8);
    // Only two matrices are wanted: the lanes of the others name rows that exist.
    std::uint32_t right[4];
    loadMatrices(right, rows + (16 + lane % 8) * 16 + lane / 8 % 2 * 8);
    std::uint32_t first = right[0];
    std::uint32_t second = right[1];
    if (mistake == kRegistersOfBSwapped)
    {
        first = right[1];
        second = right[0];
    }
    if (mistake == kRowsOfASwapped)
    {
        std::uint32_t const upper = left[0];
        left[0] = left[1];
        left[1] = upper;
    }
    float sums[4] = {};
    multiplyAdd<T>(sums, left, {first, second});
    for (int i = 0; i < 4; ++i)
    {
        int const column = lane % 4 * 2 + (mistake == kColumnsOfDSwapped ? 1 - i % 2 : i % 2);
        d[(lane / 4 + i / 2 * 8) * 8 + column] = sums[i];
    }
}

__global__ void conversions(float const* in, std::uint16_t* half, std::uint16_t* brain, float* out)
{
    auto const i = blockIdx.x * blockDim.x + threadIdx.x;
    half[i] = __half_as_ushort(__float2half_rn(in[i]));
    brain[i] = __bfloat16_as_ushort(__float2bfloat16_rn(in[i]));
    out[2 * i] = __half2float(__ushort_as_half(half[i]));
    out[2 * i + 1] = __bfloat162float(__ushort_as_bfloat16(brain[i]));
}

//! The linear index of every thread of every block.
__global__ void indices(int* out)
{
    auto const thread
        = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    auto const block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    auto const at = block * blockDim.x * blockDim.y * blockDim.z + thread;
    out[at] = static_cast<int>(at);
}

//! The order in which the threads came.
__global__ void arrivals(int* next, int* out)
{
    out[threadIdx.x] = atomicAdd(next, 1);
}

//! When each of four warps began and ended 20 meetings of its own.
__global__ void walks(int* clock, int* begins, int* ends)
{
    for (int step = 0; step < 20; ++step)
    {
        __syncwarp();
        if (laneId() == 0)
        {
            int const now = atomicAdd(clock, 1);
            begins[warpId()] = step == 0 ? now : begins[warpId()];
            ends[warpId()] = now;
        }
    }
}

} // namespace

extern "C" int callWarpInstructions(int const* in, int* out)
{
    return launch(warpInstructions, dim3(1), dim3(kWarp), 0, nullptr, in, out);
}

extern "C" int callProduct(std::int64_t brain, std::int64_t mistake, std::uint16_t const* a,
    std::uint16_t const* b, float* d)
{
    return launch(brain ? product<__nv_bfloat16> : product<__half>, dim3(1), dim3(kWarp), 768,
        nullptr, static_cast<int>(mistake), a, b, d);
}

extern "C" int callConversions(std::int64_t blocks, float const* in, std::uint16_t* half,
    std::uint16_t* brain, float* out)
{
    return launch(conversions, dim3(static_cast<unsigned int>(blocks)), dim3(256), 0, nullptr, in,
        half, brain, out);
}

extern "C" int callIndices(int* out)
{
    return launch(indices, dim3(3, 2, 2), dim3(5, 3, 2), 0, nullptr, out);
}

extern "C" int callArrivals(int* next, int* out)
{
    return launch(arrivals, dim3(1), dim3(64), 0, nullptr, next, out);
}

extern "C" int callWalks(int* clock, int* begins, int* ends)
{
    return launch(walks, dim3(1), dim3(4 * kWarp), 0, nullptr, clock, begins, ends);
}

extern "C" int callWithShared(std::int64_t bytes, std::int64_t raised)
{
    auto const nothing = [](int) {};
    void (*const kernel)(int) = nothing;
    if (raised)
    {
        cudaError_t const status = cudaFuncSetAttribute(
            kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
        if (status != cudaSuccess)
        {
            return status;
        }
    }
    return launch(
        kernel, dim3(1), dim3(1), static_cast<std::size_t>(bytes), nullptr, 0);
}
