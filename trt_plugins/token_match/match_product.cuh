//! The best destination of every source, for any type and number of channels, without tensor cores.
//!
//!     best[split, b, s] = max over the destinations d of the split of (x_s . x_d) / |x_d|
//!
//! Shapes  x (B, N, C), packed (B, D, C), inverseDestination (B, padded D); best (splits, B, padded
//!         S), inverseSource (B, padded S).
//! Work    A block owns 64 sources and walks over its destinations in tiles of 64, 16 channels at a
//!         time; a thread multiplies 4 x 4. Products are never written.
//! Exact   FP32, channels in ascending order by fused multiply-add: equal rows have equal products,
//!         and neither tiles nor splits change a value. Equal products: the lowest destination.
//! Weak    Elements are read one at a time, whatever the alignment.
#pragma once

#include "match_best.cuh"
#include "match_pack.cuh"

namespace segpp
{

constexpr int kSimpleTile = 64;
constexpr int kSimpleDepth = 16;
constexpr int kSimpleThreads = 256;

//! One row in four threads: channels [first, first + 4) of it into column ``row`` of the tile.
//! Returns the sum of their squares.
template <typename T>
__device__ __forceinline__ float loadQuarter(float (&tile)[kSimpleDepth][kSimpleTile + 1],
    T const* row, int first, int channels, int column, int within)
{
    float squares = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i)
    {
        int const channel = first + within + i;
        float const value = row && channel < channels ? toFloat(row[channel]) : 0.0F;
        tile[within + i][column] = value;
        squares = fmaf(value, value, squares);
    }
    return squares;
}

using SimpleTile = float[kSimpleDepth][kSimpleTile + 1];

//! sums += 16 channels of the sources x those of the destinations, for one thread's 4 x 4.
__device__ __forceinline__ void multiplySimple(float (&sums)[4][4], SimpleTile const& sources,
    SimpleTile const& destinations, int down, int across)
{
#pragma unroll
    for (int k = 0; k < kSimpleDepth; ++k)
    {
#pragma unroll
        for (int i = 0; i < 16; ++i)
        {
            float const a = sources[k][down + i / 4 * 16];
            float const b = destinations[k][across + i % 4 * 16];
            sums[i / 4][i % 4] = fmaf(a, b, sums[i / 4][i % 4]);
        }
    }
}

// Four blocks per processor leave 64 registers; without the hint some chips spill at 48.
template <typename T>
__global__ void __launch_bounds__(kSimpleThreads, 4) matchSimple(
    MatchLattice lattice, int channels, int padded, T const* x, MatchResults results)
{
    __shared__ SimpleTile sources;
    __shared__ SimpleTile destinations;

    int const thread = static_cast<int>(threadIdx.x);
    int const across = thread % 16;
    int const down = thread / 16;
    std::size_t const image = blockIdx.z;
    T const* const packed
        = static_cast<T const*>(results.packed) + image * lattice.destinations * channels;
    float const* const inverse = results.inverseDestination + image * padded;

    // 1. As a loader, a thread has a quarter of one source and of one destination.
    int const loaded = thread / 4;
    int const within = thread % 4 * 4;
    int const firstSource = static_cast<int>(blockIdx.x) * kSimpleTile;
    int const source = firstSource + loaded;
    T const* const sourceRow = source < lattice.sources
        ? x + (image * lattice.tokens() + lattice.sourceToken(source)) * channels
        : nullptr;

    // 2. Tile by tile, products (64, 64) over all channels; of each row the best so far.
    Match best[4]{noMatch(0), noMatch(0), noMatch(0), noMatch(0)};
    float squares = 0;
    Tiles const tiles = tilesOfSplit(lattice.destinations, kSimpleTile);
    for (int tile = tiles.first; tile < tiles.last; ++tile)
    {
        int const destination = tile * kSimpleTile + loaded;
        T const* const destinationRow = destination < lattice.destinations
            ? packed + static_cast<std::size_t>(destination) * channels
            : nullptr;
        float sums[4][4] = {};
        for (int first = 0; first < channels; first += kSimpleDepth)
        {
            float const more = loadQuarter(sources, sourceRow, first, channels, loaded, within);
            squares += tile == tiles.first ? more : 0.0F;
            loadQuarter(destinations, destinationRow, first, channels, loaded, within);
            __syncthreads();
            multiplySimple(sums, sources, destinations, down, across);
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < 16; ++i)
        {
            int const column = tile * kSimpleTile + across + i % 4 * 16;
            takeLater(best[i / 4], sums[i / 4][i % 4] * inverse[column], column);
        }
    }

    // 3. 1 / length of the sources (64), by the blocks of the first split.
    squares = laneSum(squares, 4);
    int const paddedSources = lattice.paddedSources();
    if (blockIdx.y == 0 && within == 0 && source < paddedSources)
    {
        results.inverseSource[image * paddedSources + source]
            = sourceRow ? inverseLength(squares) : noNumber();
    }
    // 4. The best of the split (64).
    MatchRow const out = matchesOfBlock(results, paddedSources);
#pragma unroll
    for (int i = 0; i < 4; ++i)
    {
        Match const match = bestOfLanes<16>(best[i]);
        int const row = firstSource + down + i * 16;
        if (across == 0 && row < paddedSources)
        {
            out.put(row, match);
        }
    }
}

} // namespace segpp
