//! The pixels of a cell: interpolated for the classes that can win, and written.
//!
//! Shapes  logits (K, h, w) of one image, s * s pixels of a cell, labels (H, W).
//! Work    At most eight pixels at a time stay in registers over the classes, a row or several.
//!         Half a row of a cell is one store of INT8 labels.
//! Exact   The roundings of resize_pixels.cuh; ties go to the lower class.
//! Needs   Labels 4-byte aligned; w > 1.
#pragma once

#include "resize_bounds.cuh"
#include "resize_pixels.cuh"

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <type_traits>

namespace segpp::resize
{

constexpr int kPixelsAtOnce = 8;  // whose best values a thread holds

//! Where the pixels of a cell go.
template <int kScale>
struct Target
{
    void* labels;
    bool narrow;
    int height, width;

    //! Writes one row of a cell; cells at the edges of the image have half their pixels outside.
    __device__ void write(Place place, int row, int const (&label)[kScale]) const
    {
        constexpr int half = kScale / 2;
        int const y = place.y * kScale - half + row;
        if (y < 0 || y >= height)
        {
            return;
        }
#pragma unroll
        for (int side = 0; side < 2; ++side)
        {
            int const x = place.x * kScale - half + side * half;
            if (x >= 0 && x < width)
            {
                writeHalf(static_cast<unsigned>(y * width + x), &label[side * half]);
            }
        }
    }

private:
    __device__ void writeHalf(unsigned pixel, int const* label) const
    {
        constexpr int half = kScale / 2;
        using Word = std::conditional_t<half == 1, std::uint8_t,
            std::conditional_t<half == 2, std::uint16_t, std::uint32_t>>;
        Word word = 0;
#pragma unroll
        for (int i = 0; i < half; ++i)
        {
            if (narrow)
            {
                word = static_cast<Word>(word | static_cast<unsigned>(label[i]) << 8 * i);
            }
            else
            {
                static_cast<int*>(labels)[pixel + i] = label[i];
            }
        }
        if (narrow)
        {
            *reinterpret_cast<Word*>(static_cast<char*>(labels) + pixel) = word;
        }
    }
};

//! Weights of a cell's rows or columns; what lies before the first logit takes its value.
template <int kScale>
__device__ float weightOf(int pixel, int place)
{
    return place == 0 ? 0.0F : (static_cast<float>(pixel) + 0.5F) / kScale;
}

//! Interpolates the classes in ``mask`` and writes the best, some rows at a time.
template <int kScale, typename T>
__device__ void interpolate(Classes<T> const& classes, Corners const& corners, unsigned mask,
    Place place, Target<kScale> const& target)
{
    constexpr int rows = kPixelsAtOnce / kScale < kScale ? kPixelsAtOnce / kScale : kScale;
#pragma unroll 1
    for (int first = 0; first < kScale; first += rows)
    {
        float best[rows][kScale];
        int label[rows][kScale] = {};
#pragma unroll
        for (int i = 0; i < rows * kScale; ++i)
        {
            best[i / kScale][i % kScale] = -INFINITY;
        }
        for (unsigned rest = mask; rest; rest &= rest - 1)
        {
#pragma unroll 1
            for (int k = classes.first(rest); k <= classes.last(rest); ++k)
            {
                T const* const plane = classes.of(k);
                float const aboveLeft = load(plane, corners.aboveLeft);
                float const aboveRight = load(plane, corners.aboveRight);
                float const belowLeft = load(plane, corners.belowLeft);
                float const belowRight = load(plane, corners.belowRight);
#pragma unroll
                for (int column = 0; column < kScale; ++column)
                {
                    float const across = weightOf<kScale>(column, place.x);
                    float const above = between(aboveLeft, aboveRight, across);
                    float const below = between(belowLeft, belowRight, across);
#pragma unroll
                    for (int row = 0; row < rows; ++row)
                    {
                        float const down = weightOf<kScale>(first + row, place.y);
                        float const value = between(above, below, down);
                        bool const better = value > best[row][column];
                        label[row][column] = better ? k : label[row][column];
                        best[row][column] = better ? value : best[row][column];
                    }
                }
            }
        }
#pragma unroll
        for (int row = 0; row < rows; ++row)
        {
            target.write(place, first + row, label[row]);
        }
    }
}

template <int kScale>
__device__ void fill(Place place, int one, Target<kScale> const& target)
{
    int label[kScale];
#pragma unroll
    for (int i = 0; i < kScale; ++i)
    {
        label[i] = one;
    }
#pragma unroll
    for (int row = 0; row < kScale; ++row)
    {
        target.write(place, row, label);
    }
}

} // namespace segpp::resize
