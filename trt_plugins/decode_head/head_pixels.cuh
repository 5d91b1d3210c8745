//! The kernel for any type and size: a thread owns a pixel, a block 32 classes.
#pragma once

#include "head_axis.cuh"

#include "cuda_utils/element.cuh"

#include <cuda_runtime.h>

#include <cstddef>

namespace segpp::head
{

constexpr int kPixelThreads = 128;
constexpr int kPixelClasses = 32;
constexpr int kPixelChannels = 32;  // of which weights are in shared memory at a time

//! The four values of a level around a pixel, the same in every channel.
struct Corners
{
    int offset[4];
    float down, across;
};

__device__ __forceinline__ Corners cornersOf(int y, int x, Axis rows, Axis columns, float centre)
{
    Place const row = placeOf(y, rows, centre);
    Place const column = placeOf(x, columns, centre);
    int const top = row.low * columns.size;
    int const bottom = min(row.low + 1, rows.size - 1) * columns.size;
    int const right = min(column.low + 1, columns.size - 1);
    return {{top + column.low, top + right, bottom + column.low, bottom + right}, row.share,
        column.share};
}

template <typename T>
__device__ __forceinline__ float valueAt(T const* plane, Corners const& corners)
{
    float const above = between(
        toFloat(plane[corners.offset[0]]), toFloat(plane[corners.offset[1]]), corners.across);
    float const below = between(
        toFloat(plane[corners.offset[2]]), toFloat(plane[corners.offset[3]]), corners.across);
    return between(above, below, corners.down);
}

//! Weights of some channels (32 channels, 32 classes); those of missing classes are zero.
template <typename T>
__device__ __forceinline__ void loadPixelWeights(T const* weight, int channels, int count,
    int classes, float (&to)[kPixelChannels][kPixelClasses])
{
    for (int i = static_cast<int>(threadIdx.x); i < kPixelChannels * kPixelClasses;
         i += kPixelThreads)
    {
        int const k = i / kPixelChannels;
        int const channel = i % kPixelChannels;
        bool const exists = k < classes && channel < count;
        to[channel][k] = exists ? toFloat(weight[k * channels + channel]) : 0.0F;
    }
}

template <typename T>
__global__ void __launch_bounds__(kPixelThreads) decodeHeadPixels(Planes planes, int channels,
    int classes, Maps<T> maps, T const* weight, T const* bias, T* logits)
{
    __shared__ float weights[kPixelChannels][kPixelClasses];
    int const plane = planes.height * planes.width;
    int const pixel = static_cast<int>(blockIdx.x * kPixelThreads + threadIdx.x);
    // A thread behind the last pixel computes that one, for the barriers' sake, and writes nothing.
    int const place = min(pixel, plane - 1);
    int const firstClass = static_cast<int>(blockIdx.z) * kPixelClasses;
    int const count = min(kPixelClasses, classes - firstClass);
    std::size_t const image = blockIdx.y;

    // 1. Where the pixel lies on every level, and the maps of this image.
    Corners corners[kDeeper];
    int planeOf[kDeeper];
#pragma unroll
    for (int i = 0; i < kDeeper; ++i)
    {
        corners[i] = cornersOf(place / planes.width, place % planes.width, planes.y[i],
            planes.x[i], planes.centre);
        planeOf[i] = planes.y[i].size * planes.x[i].size;
        maps.deeper[i] += image * channels * planeOf[i];
    }
    T const* first = maps.first + image * channels * plane + place;

    // 2. Channel by channel, the fused value times the weights of up to 32 classes.
    float sums[kPixelClasses] = {};
    for (int start = 0; start < channels; start += kPixelChannels)
    {
        int const end = min(kPixelChannels, channels - start);
        __syncthreads();
        loadPixelWeights(weight + firstClass * channels + start, channels, end, count, weights);
        __syncthreads();
        for (int channel = 0; channel < end; ++channel)
        {
            float deeper[kDeeper];
#pragma unroll
            for (int i = 0; i < kDeeper; ++i)
            {
                deeper[i] = valueAt(maps.deeper[i], corners[i]);
                maps.deeper[i] += planeOf[i];
            }
            float const fused
                = rectified(toFloat(*first) + ((deeper[0] + deeper[1]) + deeper[2]));
            first += plane;
#pragma unroll
            for (int k = 0; k < kPixelClasses; ++k)
            {
                sums[k] = fmaf(weights[channel][k], fused, sums[k]);
            }
        }
    }
    // 3. Logits (classes, pixels).
    if (pixel >= plane)
    {
        return;
    }
    T* const to = logits + (image * classes + firstClass) * plane + pixel;
#pragma unroll
    for (int k = 0; k < kPixelClasses; ++k)
    {
        if (k < count)
        {
            to[static_cast<std::size_t>(k) * plane]
                = fromFloat<T>(sums[k] + toFloat(bias[firstClass + k]));
        }
    }
}

} // namespace segpp::head
