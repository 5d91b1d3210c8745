//! Copies the rows of the destinations side by side and measures them.
//!
//!     packed[b, d, :] = x[b, token of d, :]
//!     inverseDestination[b, d] = 1 / |packed[b, d]|, 0 without length
//!
//! Shapes  x (B, N, C), packed (B, D, C), inverseDestination (B, padded D): NaN in the padding.
//! Work    One warp per destination; a row is read once, coalesced.
//! Exact   The sum of squares is FP32, its order depends on C alone; square root and division are
//!         those of IEEE. Equal rows have equal lengths.
//! Needs   C % kCount = 0; where kCount > 1, x 16-byte aligned.
//! Weak    C = 32 in half (B0, stage 1) keeps 4 of 32 lanes busy.
#pragma once

#include "cuda_utils/vector.cuh"
#include "cuda_utils/warp.cuh"
#include "match_shape.cuh"

namespace segpp
{

constexpr int kPackWarps = 8;

__device__ __forceinline__ float inverseLength(float squares)
{
    return squares > 0 ? __fdiv_rn(1.0F, __fsqrt_rn(squares)) : 0.0F;
}

template <typename T, int kCount>
__global__ void __launch_bounds__(kPackWarps* kWarp) packDestinations(
    MatchLattice lattice, int channels, int padded, T const* x, T* packed, float* inverse)
{
    int const destination = static_cast<int>(blockIdx.x) * kPackWarps + warpId();
    std::size_t const image = blockIdx.y;
    if (destination >= padded)
    {
        return;
    }
    float* const out = inverse + image * padded + destination;
    if (destination >= lattice.destinations)
    {
        // Whatever is multiplied by NaN is greater than nothing, so the padding never matches.
        *out = noNumber();
        return;
    }
    std::size_t const token = lattice.destinationToken(destination);
    T const* const from = x + (image * lattice.tokens() + token) * channels;
    T* const to = packed + (image * lattice.destinations + destination) * channels;
    float squares = 0;
    for (int channel = laneId() * kCount; channel < channels; channel += kWarp * kCount)
    {
        auto const pack = loadPack<T, kCount>(from + channel);
        storePack(to + channel, pack);
#pragma unroll
        for (int i = 0; i < kCount; ++i)
        {
            float const value = toFloat(pack.at[i]);
            squares = fmaf(value, value, squares);
        }
    }
    squares = laneSum(squares);
    if (laneId() == 0)
    {
        *out = inverseLength(squares);
    }
}

} // namespace segpp
