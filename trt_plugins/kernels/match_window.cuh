//! The best destination of every source among those at most ``window`` cells away.
//!
//!     best[0, b, s] = max over the destinations d near s of (x_s . x_d) / |x_d|
//!
//! Work    8, 16 or 32 lanes per source: they read the row once for every nine destinations, whose rows
//!         come from cache, and add up nine products at a time.
//! Exact   FP32; the order of additions depends on C and the lanes alone, the same for all
//!         destinations. Equal products: the lowest destination.
#pragma once

#include "match_best.cuh"
#include "match_pack.cuh"

namespace segpp
{

constexpr int kWindowThreads = 128;
constexpr int kAtOnce = 9;  // the cells around a source at window 1

//! The destinations near a source, in ascending order: a rectangle of cells.
struct Neighbourhood
{
    int firstY, firstX, rows, columns;

    __device__ __forceinline__ int destination(int index, int cellsX) const
    {
        // Beyond the last one: the last one again, which changes nothing.
        int const inside = min(index, rows * columns - 1);
        return (firstY + inside / columns) * cellsX + firstX + inside % columns;
    }
};

__device__ __forceinline__ Neighbourhood neighbourhoodOf(
    MatchLattice const& lattice, int token, int windowY, int windowX)
{
    // A leftover row or column has a cell of its own, beyond the last complete one.
    int const cellY = token / lattice.width / lattice.strideY;
    int const cellX = token % lattice.width / lattice.strideX;
    int const firstY = max(cellY - windowY, 0);
    int const firstX = max(cellX - windowX, 0);
    int const lastY = min(cellY + windowY, lattice.cellsY - 1);
    int const lastX = min(cellX + windowX, lattice.cellsX - 1);
    return {firstY, firstX, lastY - firstY + 1, lastX - firstX + 1};
}

template <typename T, int kCount>
__global__ void __launch_bounds__(kWindowThreads) matchNear(MatchLattice lattice, int channels,
    int padded, int windowY, int windowX, int lanes, T const* x, MatchResults results)
{
    int const thread = static_cast<int>(threadIdx.x);
    int const lane = thread % lanes;
    int const wanted = (static_cast<int>(blockIdx.x) * kWindowThreads + thread) / lanes;
    // Lanes beyond the last source do its work again: everybody has to come to the shuffles.
    int const source = min(wanted, lattice.sources - 1);
    std::size_t const image = blockIdx.y;
    int const token = lattice.sourceToken(source);
    Neighbourhood const near = neighbourhoodOf(lattice, token, windowY, windowX);
    T const* const row = x + (image * lattice.tokens() + token) * channels;
    T const* const packed
        = static_cast<T const*>(results.packed) + image * lattice.destinations * channels;
    float const* const inverse = results.inverseDestination + image * padded;

    // The most that any source has, so that no group of lanes leaves before the others.
    int const most = min(2 * windowY + 1, lattice.cellsY) * min(2 * windowX + 1, lattice.cellsX);
    Match best = noMatch(near.destination(0, lattice.cellsX));
    float squares = 0;
    for (int first = 0; first < most; first += kAtOnce)
    {
        T const* rows[kAtOnce];
        float sums[kAtOnce] = {};
        squares = 0;
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i)
        {
            std::size_t const destination = near.destination(first + i, lattice.cellsX);
            rows[i] = packed + destination * channels;
        }
        // Nine loads in flight are enough; unrolling would only double the registers.
#pragma unroll 1
        for (int channel = lane * kCount; channel < channels; channel += lanes * kCount)
        {
            auto const mine = loadPack<T, kCount>(row + channel);
#pragma unroll
            for (int k = 0; k < kCount; ++k)
            {
                squares = fmaf(toFloat(mine.at[k]), toFloat(mine.at[k]), squares);
            }
#pragma unroll
            for (int i = 0; i < kAtOnce; ++i)
            {
                auto const other = loadPack<T, kCount>(rows[i] + channel);
#pragma unroll
                for (int k = 0; k < kCount; ++k)
                {
                    sums[i] = fmaf(toFloat(mine.at[k]), toFloat(other.at[k]), sums[i]);
                }
            }
        }
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i)
        {
            int const destination = near.destination(first + i, lattice.cellsX);
            takeLater(best, laneSum(sums[i], lanes) * inverse[destination], destination);
        }
    }
    squares = laneSum(squares, lanes);
    if (lane == 0 && wanted < lattice.sources)
    {
        std::size_t const at = image * lattice.sources + source;
        results.best[at] = best;
        results.inverseSource[at] = inverseLength(squares);
    }
}

} // namespace segpp
