//! Kernels with one mistake each, and the same without it, to show that the model sees them.
#include "launch.cuh"
#include "warp.cuh"

#include <cstdint>

namespace
{

using namespace segpp;

//! Reverses what the threads of a block hold.
template <bool Waits>
__global__ void reverse(int const* in, int* out)
{
    __shared__ int held[64];
    held[threadIdx.x] = in[threadIdx.x];
    if (Waits)
    {
        __syncthreads();
    }
    out[threadIdx.x] = held[blockDim.x - 1 - threadIdx.x];
}

__global__ void writeShared(int index, int* out)
{
    __shared__ int held[64];
    held[index] = 1;
    out[threadIdx.x] = held[index];
}

} // namespace

extern "C" int reverse64(int const* in, int* out, std::int64_t waits)
{
    return launch(waits ? reverse<true> : reverse<false>, dim3(1), dim3(64), 0, nullptr, in, out);
}

extern "C" int writeStaticShared(int* out, std::int64_t index)
{
    return launch(writeShared, dim3(1), dim3(1), 0, nullptr, static_cast<int>(index), out);
}
