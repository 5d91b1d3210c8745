//! The kernel on tensor cores: a tile of pixels, all channels, up to 8 * kTiles classes.
#pragma once

#include "head_window.cuh"

#include "cuda_utils/launch.cuh"
#include "cuda_utils/mma.cuh"
#include "cuda_utils/warp.cuh"

namespace segpp::head
{

constexpr int kTileClasses = 8;  // of an mma

//! Where a lane's pixel lies among the cells of its quad.
struct Columns
{
    int cell[kDeeper];
    float share[kDeeper];
};

__device__ __forceinline__ Columns columnsOf(
    Planes const& planes, Cells const& cells, int left, int pixel, int quad)
{
    Columns columns{};
    int const x = min(left + pixel, planes.width - 1);
#pragma unroll
    for (int i = 0; i < kDeeper; ++i)
    {
        Place const place = placeOf(x, planes.x[i], planes.centre);
        int const start = placeOf(left, planes.x[i], planes.centre).low;
        columns.cell[i] = quad * cells.stride + cells.first[i] + place.low - start;
        columns.share[i] = place.share;
    }
    return columns;
}

//! Two values rounded to T, as a word of an operand of the tensor cores.
template <typename T>
__device__ __forceinline__ std::uint32_t operandOf(float first, float second)
{
    Pack<T, 2> const rounded{{fromFloat<T>(first), fromFloat<T>(second)}};
    std::uint32_t word;
    static_assert(sizeof(word) == sizeof(rounded));
    memcpy(&word, &rounded, sizeof(word));
    return word;
}

//! The fused values of four channels at a pixel, as two words of an operand.
template <typename T>
__device__ __forceinline__ void fuse(Pack<T, kQuad> const& first, float4 const* row,
    Columns const& columns, std::uint32_t& lower, std::uint32_t& upper)
{
    float4 deeper[kDeeper];
#pragma unroll
    for (int i = 0; i < kDeeper; ++i)
    {
        float4 const* const cell = row + columns.cell[i];
        deeper[i] = between(cell[0], cell[1], columns.share[i]);
    }
    auto const sum = [&](T own, float second, float third, float fourth) {
        return rectified(toFloat(own) + ((second + third) + fourth));
    };
    lower = operandOf<T>(sum(first.at[0], deeper[0].x, deeper[1].x, deeper[2].x),
        sum(first.at[1], deeper[0].y, deeper[1].y, deeper[2].y));
    upper = operandOf<T>(sum(first.at[2], deeper[0].z, deeper[1].z, deeper[2].z),
        sum(first.at[3], deeper[0].w, deeper[1].w, deeper[2].w));
}

//! Who computes what: a warp has 16 pixels of kStrips rows, a lane two of these and one quad.
template <int kStrips>
struct Part
{
    int row, pixel, quad;

    __device__ Part()
        : row{warpId() / 2 * kStrips}
        , pixel{warpId() % 2 * 16 + laneId() / 4}
        , quad{laneId() % 4}
    {
    }
};

template <typename T, int kTiles, int kStrips>
__device__ __forceinline__ void multiplyStep(float (&sums)[kStrips][kTiles][4],
    Window<T, 4 * kStrips, kTiles * kTileClasses> const& window, Part<kStrips> const& part,
    Columns const (&columns)[2], int stride)
{
    // 1. Fused values (16 pixels, 16 channels) of every strip, the channels in an order of our own:
    //    a lane's four side by side, which the weights follow.
    std::uint32_t fused[kStrips][4];
#pragma unroll
    for (int strip = 0; strip < kStrips; ++strip)
    {
        int const row = part.row + strip;
        float4 const* const cells = window.deeper + row * kQuads * stride;
#pragma unroll
        for (int i = 0; i < 2; ++i)
        {
            auto const first
                = window.first[part.quad * window.kPixels + slotOf(row, part.pixel + 8 * i)];
            fuse(first, cells, columns[i], fused[strip][i], fused[strip][i + 2]);
        }
    }
    // 2. Times weights (16 channels, 8 classes).
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile)
    {
        std::uint32_t weight[2];
        auto const four = window.weight[(tile * kTileClasses + laneId() / 4) * kQuads + part.quad];
        memcpy(weight, &four, sizeof(weight));
#pragma unroll
        for (int strip = 0; strip < kStrips; ++strip)
        {
            multiplyAdd<T>(sums[strip][tile], fused[strip], weight);
        }
    }
}

//! Adds the bias and writes what lies inside the image. `logits` are those of one image.
template <typename T, int kTiles, int kStrips>
__device__ __forceinline__ void writeLogits(float const (&sums)[kStrips][kTiles][4],
    Part<kStrips> const& part, Planes const& planes, int top, int left, T const* bias,
    int firstClass, int classes, T* logits)
{
    int const plane = planes.height * planes.width;
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile)
    {
#pragma unroll
        for (int i = 0; i < 2; ++i)
        {
            int const k = firstClass + tile * kTileClasses + part.quad * 2 + i;
            if (k >= classes)
            {
                continue;
            }
            float const offset = toFloat(bias[k]);
#pragma unroll
            for (int strip = 0; strip < kStrips; ++strip)
            {
                int const y = top + part.row + strip;
#pragma unroll
                for (int half = 0; half < 2; ++half)
                {
                    int const x = left + part.pixel + 8 * half;
                    if (y < planes.height && x < planes.width)
                    {
                        logits[k * plane + y * planes.width + x]
                            = fromFloat<T>(sums[strip][tile][2 * half + i] + offset);
                    }
                }
            }
        }
    }
}

// Sums of 152 classes are 76 registers of each thread.
template <typename T, int kTiles, int kStrips>
__global__ void __launch_bounds__(kThreads, kTiles > 8 ? 1 : 2) decodeHeadTensor(Planes planes, Cells cells,
    int channels, int classes, bool wide, Maps<T> maps, T const* weight, T const* bias, T* logits)
{
    constexpr int kRows = 4 * kStrips;
    constexpr int kClasses = kTiles * kTileClasses;
    __shared__ Place places[kDeeper][kRows];
    Window<T, kRows, kClasses> const window(dynamicShared());

    int const tilesX = (planes.width + kTileWidth - 1) / kTileWidth;
    int const top = static_cast<int>(blockIdx.x) / tilesX * kRows;
    int const left = static_cast<int>(blockIdx.x) % tilesX * kTileWidth;
    int const firstClass = static_cast<int>(blockIdx.z) * kClasses;
    int const plane = planes.height * planes.width;
    std::size_t const image = blockIdx.y;

    // 1. Where the tile's rows and this lane's pixels lie on the deeper levels.
    if (threadIdx.x < kDeeper * kRows)
    {
        int const row = static_cast<int>(threadIdx.x) % kRows;
        int const level = static_cast<int>(threadIdx.x) / kRows;
        places[level][row] = placeOf(top + row, planes.y[level], planes.centre);
    }
    Part<kStrips> const part;
    Columns const columns[2] = {columnsOf(planes, cells, left, part.pixel, part.quad),
        columnsOf(planes, cells, left, part.pixel + 8, part.quad)};

    T const* const first = maps.first + image * channels * plane;
    weight += firstClass * channels;

    // 2. Step by step along the channels: products (pixels, classes).
    float sums[kStrips][kTiles][4] = {};
    FirstLevel<T, kRows> own;
    own.load(first, planes, top, left, wide);
    __syncthreads();
    for (int channel = 0; channel < channels; channel += kChannels)
    {
        own.store(window.first, window.kPixels);
        loadWeights<T, kClasses>(weight + channel, channels, classes - firstClass, window.weight);
        interpolateDown(maps, image * channels + channel, planes, cells, left, places, window.deeper);
        __syncthreads();
        // The next step's part of the first level, the largest, is under way during the products.
        if (channel + kChannels < channels)
        {
            own.load(first + (channel + kChannels) * plane, planes, top, left, wide);
        }
        multiplyStep<T, kTiles, kStrips>(sums, window, part, columns, cells.stride);
        __syncthreads();
    }
    // 3. Logits (classes, pixels).
    writeLogits(sums, part, planes, top, left, bias, firstClass, classes,
        logits + image * classes * plane);
}

} // namespace segpp::head
