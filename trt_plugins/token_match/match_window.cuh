//! The best destination of every source among those at most ``window`` cells away.
//!
//!     best[0, b, s] = max over the destinations d near s of (x_s . x_d) / |x_d|
//!
//! Shapes  x (B, N, C), packed (B, D, C), inverseDestination (B, padded D); best (1, B, padded
//!         S), inverseSource (B, padded S).
//! Work    Eight lanes per source, 128 bytes of a row at a time: they read the row once for every
//!         nine destinations, whose rows come from cache, and add up nine products at a time.
//! Exact   FP32; the order of additions depends on C alone, the same for all destinations. Equal
//!         products: the lowest destination.
//! Needs   C % kCount = 0; where kCount > 1, x 16-byte aligned.
//! Weak    C = 32 in half (B0, stage 1) keeps 4 of 8 lanes busy.
#pragma once

#include "match_best.cuh"
#include "match_pack.cuh"

namespace segpp
{

constexpr int kWindowThreads = 128;
constexpr int kNearLanes = 8;
constexpr int kNearSources = kWindowThreads / kNearLanes;
constexpr int kAtOnce = 9;  // the cells around a source at window 1

//! The destinations near a source, in ascending order: a rectangle of cells.
struct Neighbourhood
{
    int firstX, lastX, lastY;
    int y, x;  // the cell whose turn it is

    //! To the next cell; at the last one it stays, which changes nothing.
    __device__ __forceinline__ void advance()
    {
        bool const atEnd = x == lastX;
        x = atEnd ? (y == lastY ? lastX : firstX) : x + 1;
        y = atEnd ? min(y + 1, lastY) : y;
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
    return {firstX, lastX, lastY, firstY, firstX};
}

//! What one lane adds up over its share of the channels: its own squares, and the products with the
//! rows of nine destinations.
struct NearSums
{
    float squares;
    float products[kAtOnce];
};

template <typename T, int kCount>
__device__ __forceinline__ NearSums multiplyNear(
    T const* row, T const* packed, int const (&destinations)[kAtOnce], int channels, int lane)
{
    NearSums sums{};
    // Nine loads in flight are enough; unrolling would only double the registers.
#pragma unroll 1
    for (int channel = lane * kCount; channel < channels; channel += kNearLanes * kCount)
    {
        auto const mine = loadPack<T, kCount>(row + channel);
#pragma unroll
        for (int k = 0; k < kCount; ++k)
        {
            sums.squares = fmaf(toFloat(mine.at[k]), toFloat(mine.at[k]), sums.squares);
        }
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i)
        {
            std::size_t const start = static_cast<std::size_t>(destinations[i]) * channels;
            auto const other = loadPack<T, kCount>(packed + start + channel);
#pragma unroll
            for (int k = 0; k < kCount; ++k)
            {
                float& sum = sums.products[i];
                sum = fmaf(toFloat(mine.at[k]), toFloat(other.at[k]), sum);
            }
        }
    }
    return sums;
}

template <typename T, int kCount>
__global__ void __launch_bounds__(kWindowThreads) matchNear(MatchLattice lattice, int channels,
    int padded, int windowY, int windowX, T const* x, MatchResults results)
{
    int const thread = static_cast<int>(threadIdx.x);
    int const lane = thread % kNearLanes;
    int const wanted = static_cast<int>(blockIdx.x) * kNearSources + thread / kNearLanes;
    // Lanes beyond the last source do its work again: everybody has to come to the shuffles.
    int const source = min(wanted, lattice.sources - 1);
    std::size_t const image = blockIdx.y;
    int const token = lattice.sourceToken(source);
    T const* const row = x + (image * lattice.tokens() + token) * channels;
    T const* const packed
        = static_cast<T const*>(results.packed) + image * lattice.destinations * channels;
    float const* const inverse = results.inverseDestination + image * padded;

    // 1. The cells around the source, the same number of steps for every source of a warp.
    Neighbourhood near = neighbourhoodOf(lattice, token, windowY, windowX);
    int const nearest = near.y * lattice.cellsX + near.x;
    // The most that any source has, so that no group of lanes leaves before the others.
    int const most = min(2 * windowY + 1, lattice.cellsY) * min(2 * windowX + 1, lattice.cellsX);
    // 2. Nine destinations at a time: products (9) over all channels, and the best so far.
    Match best = noMatch(nearest);
    float squares = 0;
    for (int first = 0; first < most; first += kAtOnce)
    {
        int destinations[kAtOnce];
#pragma unroll
        for (int& destination : destinations)
        {
            destination = near.y * lattice.cellsX + near.x;
            near.advance();
        }
        auto const sums = multiplyNear<T, kCount>(row, packed, destinations, channels, lane);
        squares = sums.squares;
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i)
        {
            float const product = laneSum(sums.products[i], kNearLanes);
            takeLater(best, product * inverse[destinations[i]], destinations[i]);
        }
    }
    // 3. One match and 1 / length per source.
    squares = laneSum(squares, kNearLanes);
    int const paddedSources = lattice.paddedSources();
    if (lane == 0 && wanted < paddedSources)
    {
        std::size_t const at = image * paddedSources + wanted;
        // A source without length is equally far from all, even where its products are not 0.
        results.values[at] = best.value;
        results.destinations[at] = squares > 0 ? best.destination : nearest;
        results.inverseSource[at]
            = wanted < lattice.sources ? inverseLength(squares) : noNumber();
    }
}

} // namespace segpp
