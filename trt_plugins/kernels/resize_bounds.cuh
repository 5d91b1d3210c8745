//! Which classes can be the best somewhere in a cell.
#pragma once

#include "element.cuh"

#include <cuda_runtime.h>

namespace segpp::resize
{

// The two steps of an interpolation err by at most 5 * 2^-24 of the largest corner, for either of
// two classes; and the threshold itself is rounded.
constexpr float kSlack = 0x1p-20F;

//! The logits of one image, and which classes share a bit of a mask: 2^shift neighbours.
template <typename T>
struct Classes
{
    T const* logits;
    int count, plane, shift;

    __device__ T const* of(int k) const
    {
        return logits + static_cast<unsigned>(k * plane);
    }
    __device__ int first(unsigned mask) const
    {
        return (__ffs(static_cast<int>(mask)) - 1) << shift;
    }
    __device__ int last(unsigned mask) const
    {
        int const end = first(mask) + (1 << shift);
        return (end < count ? end : count) - 1;
    }
};

//! Where the four corners of a cell are in a plane.
struct Corners
{
    unsigned aboveLeft, aboveRight, belowLeft, belowRight;

    template <typename T>
    __device__ float highest(T const* plane) const
    {
        return fmaxf(fmaxf(toFloat(plane[aboveLeft]), toFloat(plane[aboveRight])),
            fmaxf(toFloat(plane[belowLeft]), toFloat(plane[belowRight])));
    }
};

//! The cell's place: its corners lie between rows y - 1 and y, columns x - 1 and x of the logits.
struct Place
{
    int y, x;
};

//! What is known of a cell after one pass over the classes.
struct Bounds
{
    float floor;      // some class is nowhere lower
    float reach;      // the largest corner by magnitude
    unsigned can_win; // classes that were not out of it when they were seen
};

__device__ inline void see(Bounds& bounds, float lowest, float highest, unsigned bit)
{
    bounds.floor = fmaxf(bounds.floor, lowest);
    bounds.reach = fmaxf(bounds.reach, fmaxf(highest, -lowest));
    // Negated, so that a comparison with a not-a-number keeps the class.
    if (!(highest < fmaf(-kSlack, bounds.reach, bounds.floor)))
    {
        bounds.can_win |= bit;
    }
}

//! Drops the classes that later ones have put out of it; returns how many are left, and in ``one``
//! the last of them.
template <typename T>
__device__ int sieve(
    Classes<T> const& classes, Corners const& corners, float threshold, unsigned& mask, int& one)
{
    int count = 0;
    unsigned left = 0;
    for (; mask; mask &= mask - 1)
    {
        for (int k = classes.first(mask); k <= classes.last(mask); ++k)
        {
            if (!(corners.highest(classes.of(k)) < threshold))
            {
                one = k;
                ++count;
                left |= mask & (~mask + 1);
            }
        }
    }
    mask = left;
    return count;
}

} // namespace segpp::resize
