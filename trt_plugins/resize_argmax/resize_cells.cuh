//! The pixels of a cell: interpolated for the classes that can win, and written.
//!
//! Shapes  logits (K, h, w) of one image, s * s pixels of a cell, labels (H, W).
//! Work    At most 16 pixels at a time stay in registers over the classes. Cells lie half a logit
//!         off the words of the labels: a lane writes the right half of its own cell and the left
//!         half of its neighbour's, s labels in one store.
//! Exact   The roundings of resize_pixels.cuh; ties go to the lower class.
//! Needs   Labels 16-byte aligned.
#pragma once

#include "resize_bounds.cuh"
#include "resize_pixels.cuh"

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <type_traits>

namespace segpp::resize
{

//! The cell's place: its corners lie between rows y - 1 and y, columns x - 1 and x of the logits.
struct Place
{
    int y, x;
};

//! The four corners of a cell, in the plane of class 0.
template <typename T>
struct Corners
{
    T const *aboveLeft, *aboveRight, *belowLeft, *belowRight;
};

//! Labels of a row of a cell, a byte each.
template <int kScale>
struct Strip
{
    static constexpr int kWords = kScale < 4 ? 1 : kScale / 4;
    unsigned word[kWords];

    __device__ void fill(int label)
    {
#pragma unroll
        for (unsigned& four : word)
        {
            four = static_cast<unsigned>(label) * 0x01010101U;
        }
    }
    __device__ void pack(int const (&label)[kScale])
    {
#pragma unroll
        for (int i = 0; i < kWords; ++i)
        {
            int const* const four = &label[4 * i];
            word[i] = __byte_perm(four[0], four[1], 0x0040);
            if constexpr (kScale >= 4)
            {
                word[i] = __byte_perm(word[i], __byte_perm(four[2], four[3], 0x0040), 0x5410);
            }
        }
    }
    //! The right half of this cell's row and the left half of the next lane's.
    __device__ Strip straddling() const
    {
        Strip out;
        unsigned const next = __shfl_down_sync(kAllLanes, word[0], 1);
        if constexpr (kScale == 8)
        {
            out.word[0] = word[1];
            out.word[1] = next;
        }
        else
        {
            out.word[0] = __byte_perm(word[0], next, kScale == 4 ? 0x5432 : 0x5541);
        }
        return out;
    }
    __device__ int at(int i) const
    {
        return static_cast<int>(word[i / 4] >> 8 * (i % 4) & 0xffU);
    }
};

//! Where the pixels of a cell go.
template <int kScale>
struct Target
{
    void* labels;
    bool narrow;
    int height, width;

    //! Whether the lane has pixels of its own inside of the image.
    __device__ bool has(Place place) const
    {
        return laneId() < kColumns && place.x * kScale < width;
    }

    //! Writes s labels of one row of a cell, where the row is inside of the image.
    __device__ void write(Place place, int row, Strip<kScale> const& strip) const
    {
        int const y = place.y * kScale - kScale / 2 + row;
        if (static_cast<unsigned>(y) >= static_cast<unsigned>(height))
        {
            return;
        }
        auto const pixel = static_cast<unsigned>(y * width + place.x * kScale);
        if (narrow)
        {
            using Word = std::conditional_t<kScale == 2, std::uint16_t,
                std::conditional_t<kScale == 4, std::uint32_t, uint2>>;
            Word word;
            memcpy(&word, strip.word, sizeof(word));
            *reinterpret_cast<Word*>(static_cast<char*>(labels) + pixel) = word;
            return;
        }
        constexpr int wide = kScale < 4 ? kScale : 4;
#pragma unroll
        for (int i = 0; i < kScale; i += wide)
        {
            int* const to = static_cast<int*>(labels) + pixel + i;
            if constexpr (wide == 2)
            {
                *reinterpret_cast<int2*>(to) = make_int2(strip.at(0), strip.at(1));
            }
            else
            {
                *reinterpret_cast<int4*>(to) = make_int4(
                    strip.at(i), strip.at(i + 1), strip.at(i + 2), strip.at(i + 3));
            }
        }
    }
};

//! Weights of a cell's rows or columns; what lies before the first logit takes its value.
template <int kScale>
__device__ float weightOf(int pixel, int place)
{
    return place == 0 ? 0.0F : (static_cast<float>(pixel) + 0.5F) / kScale;
}

//! Rows of a cell whose best values a thread holds.
template <int kScale>
constexpr int kRows = kPixelsAtOnce / kScale < kScale ? kPixelsAtOnce / kScale : kScale;

//! The values of a class at some rows of a cell.
template <int kScale, typename T>
__device__ void interpolate(float (&value)[kRows<kScale>][kScale], Corners<T> const& corners,
    unsigned start, Place place, int firstRow)
{
    float const aboveLeft = toFloat(__ldg(corners.aboveLeft + start));
    float const aboveRight = toFloat(__ldg(corners.aboveRight + start));
    float const belowLeft = toFloat(__ldg(corners.belowLeft + start));
    float const belowRight = toFloat(__ldg(corners.belowRight + start));
#pragma unroll
    for (int column = 0; column < kScale; ++column)
    {
        float const across = weightOf<kScale>(column, place.x);
        float const above = between(aboveLeft, aboveRight, across);
        float const below = between(belowLeft, belowRight, across);
#pragma unroll
        for (int row = 0; row < kRows<kScale>; ++row)
        {
            value[row][column] = between(above, below, weightOf<kScale>(firstRow + row, place.y));
        }
    }
}

//! The best of two classes and of all later winners, at some rows of a cell. The first class wins
//! where nothing is greater than minus infinity: then all classes are there, and it is class 0.
template <int kScale, typename T>
__device__ void decide(Strip<kScale> (&strip)[kRows<kScale>], Classes const& classes, int first,
    int second, Winners<T> later, Corners<T> const& corners, Place place, int firstRow)
{
    float best[kRows<kScale>][kScale];
    int label[kRows<kScale>][kScale];
    interpolate<kScale>(best, corners, classes.startOf(first), place, firstRow);
#pragma unroll
    for (int i = 0; i < kRows<kScale> * kScale; ++i)
    {
        float& old = best[i / kScale][i % kScale];
        old = fmaxf(old, -INFINITY);
        label[i / kScale][i % kScale] = first;
    }
#pragma unroll 1
    for (int k = second; k >= 0; k = later.next())
    {
        float value[kRows<kScale>][kScale];
        interpolate<kScale>(value, corners, classes.startOf(k), place, firstRow);
#pragma unroll
        for (int i = 0; i < kRows<kScale> * kScale; ++i)
        {
            float const found = value[i / kScale][i % kScale];
            float& old = best[i / kScale][i % kScale];
            int& own = label[i / kScale][i % kScale];
            own = found > old ? k : own;
            old = fmaxf(found, old);
        }
    }
#pragma unroll
    for (int row = 0; row < kRows<kScale>; ++row)
    {
        strip[row].pack(label[row]);
    }
}

//! The labels of a row of cells: the work of one warp, all of its lanes.
template <int kScale, typename T>
__device__ void label(Classes const& classes, Winners<T> winners, Corners<T> const& corners,
    Place place, Target<kScale> const& target)
{
    int const first = winners.next();
    int const second = winners.next();
    bool const owns = target.has(place);
#pragma unroll 1
    for (int row = 0; row < kScale; row += kRows<kScale>)
    {
        Strip<kScale> strip[kRows<kScale>];
        if (second < 0)
        {
#pragma unroll
            for (Strip<kScale>& own : strip)
            {
                own.fill(first);
            }
        }
        else
        {
            decide(strip, classes, first, second, winners, corners, place, row);
        }
#pragma unroll
        for (int i = 0; i < kRows<kScale>; ++i)
        {
            Strip<kScale> const out = strip[i].straddling();
            if (owns)
            {
                target.write(place, row + i, out);
            }
        }
    }
}

} // namespace segpp::resize
