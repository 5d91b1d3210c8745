//! Slots with one member: its row, moved from x to y.
//!
//! Shapes  x (N, C) and y (M, C) of one image; slot (N).
//! Work    A warp looks at 32 tokens and copies the rows of those that have a single slot.
//! Exact   The mean of one row is the row, but that a sum from +0 makes +0 of -0.
//! Weak    Where the promise is broken, a slot with several members has one of them, in packs, and
//!         one without stays as it was.
#pragma once

#include "merge_rows.cuh"

#include <cuda_runtime.h>

namespace segpp::merge
{

template <typename T, int kCount>
__device__ Pack<T, kCount> sumOfOne(Pack<T, kCount> const& pack)
{
    float sum[kCount] = {};
    addPack(sum, pack);
    return packOf<T>(sum);
}

template <typename T, int kCount>
__device__ void copySingles(
    T const* x, int const* slot, T* y, int tokens, int channels, int singles, int block)
{
    int const first = (block * kWarps + warpId()) * kWarp;
    int const token = first + laneId();
    int const own = token < tokens ? slot[token] : -1;
    bool const single = static_cast<unsigned>(own) < static_cast<unsigned>(singles);
    unsigned hits = __ballot_sync(kAllLanes, single);
    while (hits)
    {
        // 1. Some of the 32 tokens, and their slots.
        int from[kCopies];
        int to[kCopies];
#pragma unroll
        for (int i = 0; i < kCopies; ++i)
        {
            int const lane = __ffs(static_cast<int>(hits)) - 1;
            from[i] = lane < 0 ? -1 : (first + lane) * channels;
            to[i] = __shfl_sync(kAllLanes, own, lane) * channels;
            hits &= hits - 1;
        }
        // 2. Their rows, pack by pack.
        for (int column = laneId() * kCount; column < channels; column += kWarp * kCount)
        {
            Pack<T, kCount> row[kCopies];
#pragma unroll
            for (int i = 0; i < kCopies; ++i)
            {
                if (from[i] >= 0)
                {
                    row[i] = loadPack<T, kCount>(x + static_cast<unsigned>(from[i] + column));
                }
            }
#pragma unroll
            for (int i = 0; i < kCopies; ++i)
            {
                if (from[i] >= 0)
                {
                    storePack(y + static_cast<unsigned>(to[i] + column), sumOfOne(row[i]));
                }
            }
        }
    }
}

} // namespace segpp::merge
