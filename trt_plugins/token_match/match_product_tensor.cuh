//! The best destination of every source on tensor cores, for half and bfloat16.
//!
//!     best[split, b, s] = max over the destinations d of the split of (x_s . x_d) / |x_d|
//!
//! Shapes  x (B, N, C), packed (B, D, C), inverseDestination (B, padded D); best (splits, B, padded
//!         S), inverseSource (B, padded S).
//! Work    A block of four warps owns kRows sources, which stay in shared memory with all of their
//!         channels, and walks over its destinations in tiles of kColumns, 32 channels at a time,
//!         three copies in flight. A warp multiplies a quarter of the tile. Products are never
//!         written.
//! Exact   Products of half and bfloat16 are exact in FP32; how tensor cores round their sums
//!         differs between chips. On one chip every column sees the same instructions, so equal
//!         rows have equal products, and neither tiles nor splits change a value.
//! Needs   sm_80. C % 8 = 0 and x 16-byte aligned, for whole 16-byte copies.
//! Weak    Shared memory grows with C: rows that do not fit are left to match_product.cuh.
#pragma once

#include "cuda_utils/copy.cuh"
#include "cuda_utils/launch.cuh"
#include "cuda_utils/mma.cuh"
#include "match_best.cuh"
#include "match_pack.cuh"

namespace segpp
{

constexpr int kDepth = 32;  // channels of one step: rows of 64 bytes, four 16-byte chunks
constexpr int kChunk = 8;
constexpr int kStages = 3;
constexpr int kTensorThreads = 128;
constexpr int kRowsPerPass = kTensorThreads / 4;  // a loader has one chunk of a row

__host__ __device__ constexpr int stepsOf(int channels) noexcept
{
    return (channels + kDepth - 1) / kDepth;
}

template <int kRows, int kColumns>
constexpr std::size_t tensorShared(int channels) noexcept
{
    return (std::size_t{kRows} * stepsOf(channels) + std::size_t{kColumns} * kStages) * kDepth * 2;
}

//! A chunk of a row. Neighbouring rows start 64 bytes apart; swapping chunks among them lets the
//! eight rows of an ldmatrix meet eight different sets of banks.
template <typename T>
__device__ __forceinline__ T* chunkAt(T* block, int row, int chunk)
{
    return block + row * kDepth + (chunk ^ (row / 2 % 4)) * kChunk;
}

//! Copies of one thread: chunk ``chunk`` of rows ``row``, ``row`` + 32, … of every step.
struct Loader
{
    int row, chunk;
};

template <typename T, int kRows>
__device__ __forceinline__ void copySources(MatchLattice const& lattice, int channels, T const* x,
    int first, Loader loader, T* sources)
{
#pragma unroll
    for (int pass = 0; pass < kRows / kRowsPerPass; ++pass)
    {
        int const row = pass * kRowsPerPass + loader.row;
        int const source = min(first + row, lattice.sources - 1);
        T const* const from
            = x + static_cast<std::size_t>(lattice.sourceToken(source)) * channels;
        for (int step = 0; step < stepsOf(channels); ++step)
        {
            int const channel = step * kDepth + loader.chunk * kChunk;
            copyAsync16(chunkAt(sources + step * kRows * kDepth, row, loader.chunk),
                from + channel, first + row < lattice.sources && channel < channels);
        }
    }
}

//! The destinations that a block copies, step by step and tile by tile.
template <typename T, int kColumns>
struct DestinationStream
{
    T const* next;  // this thread's chunk of its first row, at the next step
    int channel;
    int rowsLeft;  // destinations from the start of the tile on
    int tilesLeft;

    __device__ __forceinline__ void copy(int channels, Loader loader, T* stage)
    {
        if (tilesLeft > 0)
        {
#pragma unroll
            for (int pass = 0; pass < kColumns / kRowsPerPass; ++pass)
            {
                int const down = pass * kRowsPerPass + loader.row;
                copyAsync16(chunkAt(stage, down, loader.chunk),
                    next + static_cast<std::size_t>(pass * kRowsPerPass) * channels,
                    down < rowsLeft && channel < channels);
            }
            next += kDepth;
            channel += kDepth;
            if (channel - loader.chunk * kChunk >= channels)
            {
                next += static_cast<std::size_t>(kColumns) * channels
                    - stepsOf(channels) * kDepth;
                channel = loader.chunk * kChunk;
                rowsLeft -= kColumns;
                --tilesLeft;
            }
        }
        // An empty group too, so that the number of groups behind a step is always the same.
        commitCopies();
    }
};

template <typename T, int kColumns>
__device__ __forceinline__ DestinationStream<T, kColumns> streamOf(
    MatchLattice const& lattice, int channels, T const* packed, Tiles tiles, Loader loader)
{
    int const first = tiles.first * kColumns;
    int const channel = loader.chunk * kChunk;
    return {packed + static_cast<std::size_t>(first + loader.row) * channels + channel, channel,
        lattice.destinations - first, tiles.last - tiles.first};
}

//! sums += sources x destinations over one step, for the quarter of one warp.
template <typename T, int kRows, int kColumns>
__device__ __forceinline__ void multiplyStep(float (&sums)[kRows / 32][kColumns / 16][4],
    T const* sources, T const* destinations, int firstRow, int firstColumn)
{
    int const lane = laneId();
#pragma unroll
    for (int half = 0; half < 2; ++half)
    {
        std::uint32_t a[kRows / 32][4];
#pragma unroll
        for (int i = 0; i < kRows / 32; ++i)
        {
            int const row = firstRow + i * 16 + lane % 16;
            loadMatrices(a[i], chunkAt(sources, row, half * 2 + lane / 16));
        }
#pragma unroll
        for (int j = 0; j < kColumns / 32; ++j)
        {
            // Two blocks of eight columns: their channels 0-7 and 8-15 each.
            std::uint32_t b[4];
            int const column = firstColumn + j * 16 + lane / 16 * 8 + lane % 8;
            loadMatrices(b, chunkAt(destinations, column, half * 2 + lane / 8 % 2));
            std::uint32_t const left[2]{b[0], b[1]};
            std::uint32_t const right[2]{b[2], b[3]};
#pragma unroll
            for (int i = 0; i < kRows / 32; ++i)
            {
                multiplyAdd<T>(sums[i][2 * j], a[i], left);
                multiplyAdd<T>(sums[i][2 * j + 1], a[i], right);
            }
        }
    }
}

//! Scales the products of a tile by the lengths of its destinations, and keeps the best.
template <int kBlocks, int kColumnBlocks>
__device__ __forceinline__ void takeTile(Match (&best)[kBlocks * 2],
    float const (&sums)[kBlocks][kColumnBlocks][4], float const* inverse, int firstColumn)
{
#pragma unroll
    for (int j = 0; j < kColumnBlocks; ++j)
    {
        int const column = firstColumn + j * 8 + laneId() % 4 * 2;
        auto const scale = __ldg(reinterpret_cast<float2 const*>(inverse + column));
#pragma unroll
        for (int i = 0; i < kBlocks * 2; ++i)
        {
            takeLater(best[i], sums[i / 2][j][i % 2 * 2] * scale.x, column);
            takeLater(best[i], sums[i / 2][j][i % 2 * 2 + 1] * scale.y, column + 1);
        }
    }
}

//! The lengths of the sources, four lanes to a row, whatever the tile.
template <typename T, int kRows>
__device__ __forceinline__ void measureSources(
    int channels, int count, int padded, Loader loader, T const* sources, float* inverse)
{
#pragma unroll
    for (int pass = 0; pass < kRows / kRowsPerPass; ++pass)
    {
        int const row = pass * kRowsPerPass + loader.row;
        float squares = 0;
        for (int step = 0; step < stepsOf(channels); ++step)
        {
            auto const pack = *reinterpret_cast<Pack<T, kChunk> const*>(
                chunkAt(sources + step * kRows * kDepth, row, loader.chunk));
#pragma unroll
            for (int i = 0; i < kChunk; ++i)
            {
                float const value = toFloat(pack.at[i]);
                squares = fmaf(value, value, squares);
            }
        }
        squares = laneSum(squares, 4);
        if (loader.chunk == 0 && row < padded)
        {
            inverse[row] = row < count ? inverseLength(squares) : noNumber();
        }
    }
}

//! The best of the two warps side by side, who meet in shared memory that nobody needs any more.
template <int kRows>
__device__ __forceinline__ void writeBest(
    Match const (&best)[kRows / 16], Match* halves, int firstRow, int first, int count,
    MatchRow const& out)
{
#pragma unroll
    for (int i = 0; i < kRows / 16; ++i)
    {
        Match const match = bestOfLanes<4>(best[i]);
        if (laneId() % 4 == 0)
        {
            int const row = firstRow + i / 2 * 16 + i % 2 * 8 + laneId() / 4;
            halves[warpId() % 2 * kRows + row] = match;
        }
    }
    __syncthreads();
    int const row = static_cast<int>(threadIdx.x);
    if (row < count)
    {
        out.put(first + row, better(halves[row], halves[kRows + row]));
    }
}

// Three blocks per processor leave 168 registers; without the hint some chips spill at 128.
template <typename T, int kRows, int kColumns>
__global__ void __launch_bounds__(kTensorThreads, 3) matchTensor(
    MatchLattice lattice, int channels, int padded, T const* x, MatchResults results)
{
    int const steps = stepsOf(channels);
    T* const sources = dynamicShared<T>();
    T* const stages = sources + steps * kRows * kDepth;

    int const thread = static_cast<int>(threadIdx.x);
    Loader const loader{thread / 4, thread % 4};
    int const firstRow = warpId() / 2 * (kRows / 2);
    int const firstColumn = warpId() % 2 * (kColumns / 2);
    int const firstSource = static_cast<int>(blockIdx.x) * kRows;
    std::size_t const image = blockIdx.z;
    T const* const packed
        = static_cast<T const*>(results.packed) + image * lattice.destinations * channels;
    Tiles const tiles = tilesOfSplit(lattice.destinations, kColumns);
    auto stream = streamOf<T, kColumns>(lattice, channels, packed, tiles, loader);

    // 1. Start the copies: the sources (kRows, C), and destinations (kColumns, 32) of two steps.
    // The sources belong to the group of the first step.
    copySources<T, kRows>(
        lattice, channels, x + image * lattice.tokens() * channels, firstSource, loader, sources);
    stream.copy(channels, loader, stages);
    stream.copy(channels, loader, stages + kColumns * kDepth);

    Match best[kRows / 16];
#pragma unroll
    for (Match& match : best)
    {
        match = noMatch(0);
    }
    // 2. Tile by tile, products (kRows, kColumns) over all channels; of each row the best so far.
    int stage = 0;
    for (int tile = tiles.first; tile < tiles.last; ++tile)
    {
        float sums[kRows / 32][kColumns / 16][4] = {};
        for (int step = 0; step < steps; ++step)
        {
            waitForCopies<kStages - 2>();
            // Behind it everybody sees the copies of this step, and has left the stage before it.
            __syncthreads();
            int const free = stage == 0 ? kStages - 1 : stage - 1;
            stream.copy(channels, loader, stages + free * kColumns * kDepth);
            multiplyStep<T, kRows, kColumns>(sums, sources + step * kRows * kDepth,
                stages + stage * kColumns * kDepth, firstRow, firstColumn);
            stage = stage == kStages - 1 ? 0 : stage + 1;
        }
        takeTile(best, sums, results.inverseDestination + image * padded,
            tile * kColumns + firstColumn);
    }

    // 3. 1 / length of the sources (kRows), by the blocks of the first split.
    int const paddedSources = lattice.paddedSources();
    int const count = min(kRows, paddedSources - firstSource);
    if (blockIdx.y == 0)
    {
        measureSources<T, kRows>(channels, lattice.sources - firstSource, count, loader, sources,
            results.inverseSource + image * paddedSources + firstSource);
    }
    // 4. The best of the split (kRows), once the stages are free to meet in.
    __syncthreads();
    writeBest<kRows>(best, reinterpret_cast<Match*>(stages), firstRow, firstSource, count,
        matchesOfBlock(results, paddedSources));
}

} // namespace segpp
