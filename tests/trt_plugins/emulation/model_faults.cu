//! Kernels with one mistake each, made when ``wrong`` is not 0, to show that the emulation sees it.
#include "cuda_utils/copy.cuh"
#include "cuda_utils/launch.cuh"
#include "cuda_utils/mma.cuh"
#include "cuda_utils/warp.cuh"

#include <cstdint>

namespace
{

using namespace segpp;

//! Reverses what the threads of a block hold. Mistake: no barrier between writing and reading.
__global__ void reverse(bool wrong, int const* in, int* out)
{
    __shared__ int held[64];
    held[threadIdx.x] = in[threadIdx.x];
    if (!wrong)
    {
        __syncthreads();
    }
    out[threadIdx.x] = held[blockDim.x - 1 - threadIdx.x];
}

//! Moves every value ``blockDim.x`` places on, one at a time. Mistake: no barrier between reading
//! and writing again.
__global__ void rotate(bool wrong, int const* in, int* out)
{
    __shared__ int held[64];
    int value = in[threadIdx.x];
    for (int turn = 0; turn < 64; ++turn)
    {
        held[threadIdx.x] = value;
        __syncthreads();
        value = held[(threadIdx.x + 1) % blockDim.x];
        if (!wrong)
        {
            __syncthreads();
        }
    }
    out[threadIdx.x] = value;
}

//! Copies through shared memory, two copies in flight. Mistake: waits for one of them too few.
__global__ void copyThrough(bool wrong, int const* in, int* out)
{
    int* const held = dynamicShared<int>();
    for (int half = 0; half < 2; ++half)
    {
        int const at = half * 128 + static_cast<int>(threadIdx.x) * 4;
        copyAsync16(held + at, in + at, true);
        commitCopies();
    }
    waitForCopies<1>();
    if (!wrong)
    {
        waitForCopies<0>();
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < 256; i += 32)
    {
        out[i] = held[i];
    }
    waitForCopies<0>();
}

//! Mistake: a copy to an address that is not 16-byte aligned.
__global__ void copyMisaligned(bool wrong, int const* in, int* out)
{
    int* const held = dynamicShared<int>();
    copyAsync16(held + (wrong ? 1 : 0), in, true);
    commitCopies();
    waitForCopies<0>();
    out[threadIdx.x] = held[threadIdx.x];
}

__device__ int* elementOf(int* array, int index)
{
    return array + index;
}

//! Mistake: writes one element behind a static array, through a pointer.
__global__ void writeStatic(bool wrong, int const* in, int* out)
{
    __shared__ int held[32];
    *elementOf(held, static_cast<int>(threadIdx.x) + (wrong ? 1 : 0)) = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = held[threadIdx.x];
}

//! Mistake: writes one element behind the dynamic shared memory.
__global__ void writeDynamic(bool wrong, int const* in, int* out)
{
    int* const held = dynamicShared<int>();
    *elementOf(held, static_cast<int>(threadIdx.x) + (wrong ? 1 : 0)) = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = held[threadIdx.x];
}

//! Mistake: reads one element behind its input.
__global__ void readGlobal(bool wrong, int const* in, int* out)
{
    out[threadIdx.x] = in[threadIdx.x + (wrong ? 1 : 0)];
}

//! Mistake: writes one element behind its output.
__global__ void writeGlobal(bool wrong, int const* in, int* out)
{
    out[threadIdx.x + (wrong ? 1 : 0)] = in[threadIdx.x];
}

//! Mistake: a 16-byte load from an address that is not aligned to it.
__global__ void loadMisaligned(bool wrong, int const* in, int* out)
{
    auto const* const words = reinterpret_cast<int4 const*>(in + (wrong ? 1 : 0));
    out[threadIdx.x] = words[threadIdx.x / 4].x;
}

//! Mistake: half of the block does not come to the barrier.
__global__ void barrierForSome(bool wrong, int const* in, int* out)
{
    out[threadIdx.x] = in[threadIdx.x];
    if (!wrong || threadIdx.x < 16)
    {
        __syncthreads();
    }
}

//! Mistake: the two halves of the block come to different barriers.
__global__ void twoBarriers(bool wrong, int const* in, int* out)
{
    out[threadIdx.x] = in[threadIdx.x];
    if (!wrong || threadIdx.x < 16)
    {
        __syncthreads();
    }
    else
    {
        __syncthreads();
    }
}

//! Mistake: a shuffle that half of the warp its mask names does not come to.
__global__ void shuffleForSome(bool wrong, int const* in, int* out)
{
    int value = in[threadIdx.x];
    if (!wrong || threadIdx.x < 16)
    {
        value = __shfl_xor_sync(kAllLanes, value, 0);
    }
    out[threadIdx.x] = value;
}

//! Mistake: the mask of a shuffle leaves out the lane that it reads.
__global__ void shuffleFromOutside(bool wrong, int const* in, int* out)
{
    int value = in[threadIdx.x];
    if (threadIdx.x < 16)
    {
        value = __shfl_sync(0xffffU, value, wrong ? 16 : static_cast<int>(threadIdx.x));
    }
    out[threadIdx.x] = value;
}

} // namespace

#define CALL(kernel, threads, shared)                                                              \
    extern "C" int call_##kernel(std::int64_t wrong, int const* in, int* out)                      \
    {                                                                                              \
        return launch(kernel, dim3(1), dim3(threads), shared, nullptr, wrong != 0, in, out);       \
    }

CALL(reverse, 64, 0)
CALL(rotate, 64, 0)
CALL(copyThrough, 32, 1024)
CALL(copyMisaligned, 32, 144)
CALL(writeStatic, 32, 0)
CALL(writeDynamic, 32, 128)
CALL(readGlobal, 32, 0)
CALL(writeGlobal, 32, 0)
CALL(loadMisaligned, 32, 0)
CALL(barrierForSome, 32, 0)
CALL(twoBarriers, 32, 0)
CALL(shuffleForSome, 32, 0)
CALL(shuffleFromOutside, 32, 0)
