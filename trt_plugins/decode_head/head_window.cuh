//! What a tile of pixels needs of 16 channels, brought into shared memory.
//!
//! A quad is four neighbouring channels; 16 channels are four quads, one for each lane of four in
//! an operand of the tensor cores. Everything lies quad by quad, so that a lane finds its channels
//! of a pixel, of a class or of a cell side by side.
#pragma once

#include "head_axis.cuh"

#include "cuda_utils/element.cuh"
#include "cuda_utils/vector.cuh"

#include <cuda_runtime.h>

#include <cstddef>

namespace segpp::head
{

constexpr int kChannels = 16;  // a step along the channels: one mma
constexpr int kQuad = 4;
constexpr int kQuads = kChannels / kQuad;
constexpr int kTileWidth = 32;
constexpr int kGroups = kTileWidth / kQuad;  // of four pixels in a row
constexpr int kThreads = 256;

//! The columns of the deeper levels over one tile, side by side: level i has cells from first[i] to
//! first[i + 1]. A cell behind the last column repeats it, so that every pixel has a next cell.
struct Cells
{
    int first[kDeeper + 1];
    //! Of a quad, so many that the four quads of a cell lie in different banks.
    int stride;

    __host__ __device__ int count() const
    {
        return first[kDeeper];
    }
};

inline Cells cellsOf(Planes const& planes) noexcept
{
    // What rounding can move a place by, below 16384 values along an axis.
    constexpr float slack = 1.0F / 128;
    Cells cells{};
    for (int i = 0; i < kDeeper; ++i)
    {
        float const span = (kTileWidth - 1) * planes.x[i].scale + slack;
        cells.first[i + 1] = cells.first[i] + static_cast<int>(span) + 1 + 2;
    }
    cells.stride = cells.count() + (10 - cells.count() % 8) % 8;
    return cells;
}

//! A tile's shared memory. `first` holds pixels (quads, rows * 32) and four more of each quad that
//! put quads into different banks, `weight` classes (classes, quads), `deeper` the deeper levels
//! at the tile's rows and their own columns (rows, quads, cells).
template <typename T, int kRows, int kClasses>
struct Window
{
    using Four = Pack<T, kQuad>;
    static constexpr int kPixels = kRows * kTileWidth + 4;
    static constexpr std::size_t kFixed = (kQuads * kPixels + kClasses * kQuads) * sizeof(Four);
    static_assert(kFixed % 16 == 0, "the deeper levels are read 16 bytes at a time");

    Four* first;
    Four* weight;
    float4* deeper;

    __device__ explicit Window(unsigned char* start)
        : first{reinterpret_cast<Four*>(start)}
        , weight{first + kQuads * kPixels}
        , deeper{reinterpret_cast<float4*>(start + kFixed)}
    {
    }

    static std::size_t bytes(Cells const& cells) noexcept
    {
        return kFixed + std::size_t{kRows} * kQuads * cells.stride * sizeof(float4);
    }
};

//! Where a pixel of a tile lies within its quad: turned within groups of four, so that neither who
//! writes groups nor who reads pixels meets another in a bank.
__device__ __forceinline__ int slotOf(int row, int column)
{
    int const turn = column + column / 16 + 2 * row;
    return row * kTileWidth + (column & ~3) + (turn & 3);
}

//! Four elements side by side; those from `end` on are zero.
template <typename T>
__device__ __forceinline__ Pack<T, kQuad> loadFour(T const* from, int left, bool wide)
{
    Pack<T, kQuad> four;
    if (wide && left >= kQuad)
    {
        auto const word = __ldg(reinterpret_cast<uint2 const*>(from));
        memcpy(&four, &word, sizeof(four));
        return four;
    }
#pragma unroll
    for (int i = 0; i < kQuad; ++i)
    {
        four.at[i] = i < left ? from[i] : fromFloat<T>(0.0F);
    }
    return four;
}

//! The first level's part of a tile: of each thread four pixels of a quad.
template <typename T, int kRows>
struct FirstLevel
{
    using Four = Pack<T, kQuad>;
    static constexpr int kTasks = kQuads * kRows * kGroups;
    static_assert(kTasks <= kThreads);

    Four channel[kQuad];
    int row, group, quad;

    __device__ FirstLevel()
        : row{static_cast<int>(threadIdx.x) / kGroups % kRows}
        , group{static_cast<int>(threadIdx.x) % kGroups}
        , quad{static_cast<int>(threadIdx.x) / (kGroups * kRows)}
    {
    }

    //! `map` is that of one image, from the first channel of the step on.
    __device__ __forceinline__ void load(
        T const* map, Planes const& planes, int top, int left, bool wide)
    {
        int const y = min(top + row, planes.height - 1);
        int const x = left + group * kQuad;
        if (quad < kQuads)
        {
#pragma unroll
            for (int c = 0; c < kQuad; ++c)
            {
                int const line = (quad * kQuad + c) * planes.height + y;
                channel[c] = loadFour(map + line * planes.width + x, planes.width - x, wide);
            }
        }
    }

    //! Channels of pixels become pixels of channels.
    __device__ __forceinline__ void store(Four* first, int pixelsOfQuad) const
    {
        if (quad < kQuads)
        {
#pragma unroll
            for (int i = 0; i < kQuad; ++i)
            {
                Four const pixel{
                    {channel[0].at[i], channel[1].at[i], channel[2].at[i], channel[3].at[i]}};
                first[quad * pixelsOfQuad + slotOf(row, group * kQuad + i)] = pixel;
            }
        }
    }
};

//! The classifier's weights (classes, 16 channels); those of missing classes are zero.
template <typename T, int kClasses>
__device__ __forceinline__ void loadWeights(
    T const* weight, int channels, int classes, Pack<T, kQuad>* to)
{
    for (int i = static_cast<int>(threadIdx.x); i < kClasses * kQuads; i += kThreads)
    {
        int const left = i / kQuads < classes ? kQuad : 0;
        to[i] = loadFour(weight + i / kQuads * channels + i % kQuads * kQuad, left, true);
    }
}

//! A row of four channels of a deeper level at one column.
template <typename T>
__device__ __forceinline__ float4 loadRow(T const* column, int plane, int offset)
{
    return {toFloat(column[offset]), toFloat(column[offset + plane]),
        toFloat(column[offset + 2 * plane]), toFloat(column[offset + 3 * plane])};
}

__device__ __forceinline__ float4 between(float4 const& low, float4 const& high, float share)
{
    return {between(low.x, high.x, share), between(low.y, high.y, share),
        between(low.z, high.z, share), between(low.w, high.w, share)};
}

//! One of three by number, without an address: an array of parameters would go through memory.
template <typename Value>
__device__ __forceinline__ Value pick(Value const (&values)[kDeeper], int index)
{
    return index == 0 ? values[0] : index == 1 ? values[1] : values[2];
}

//! The deeper levels at the tile's rows: a thread walks down a column of a quad and reads each row
//! of the level once. `channel` counts those of earlier images too; `places` are those of the
//! rows, level by level.
template <typename T, int kRows>
__device__ __forceinline__ void interpolateDown(Maps<T> const& maps, std::size_t channel,
    Planes const& planes, Cells const& cells, int left, Place const (&places)[kDeeper][kRows],
    float4* to)
{
    int const tasks = cells.count() * kQuads;
    for (int task = static_cast<int>(threadIdx.x); task < tasks; task += kThreads)
    {
        int const quad = task / cells.count();
        int const cell = task - quad * cells.count();
        int const level = (cell >= cells.first[1]) + (cell >= cells.first[2]);
        Axis const rows = pick(planes.y, level);
        Axis const columns = pick(planes.x, level);
        int const start = placeOf(left, columns, planes.centre).low;
        int const skipped = level == 0 ? 0 : level == 1 ? cells.first[1] : cells.first[2];
        int const column = min(start + cell - skipped, columns.size - 1);
        int const plane = rows.size * columns.size;
        T const* const from = pick(maps.deeper, level) + (channel + quad * kQuad) * plane + column;
        auto const rowAt = [&](int row) {
            return loadRow(from, plane, min(row, rows.size - 1) * columns.size);
        };
        int at = places[level][0].low;
        float4 low = rowAt(at);
        float4 high = rowAt(at + 1);
#pragma unroll
        for (int row = 0; row < kRows; ++row)
        {
            Place const place = places[level][row];
            // A row's place is at most one further than the row's before: see advancesByOne().
            if (at != place.low)
            {
                at = place.low;
                low = high;
                high = rowAt(at + 1);
            }
            to[(row * kQuads + quad) * cells.stride + cell] = between(low, high, place.share);
        }
    }
}

} // namespace segpp::head
