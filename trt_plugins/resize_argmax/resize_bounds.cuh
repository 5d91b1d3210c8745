//! Which classes can be the best somewhere in a cell.
//!
//! Shapes  logits (K, h, w) of one image; a mask of 32 bits per cell, of classes or groups of them.
//! Work    One pass over the classes, four at a time: six logits of each bound two cells. Then the
//!         classes that are left are held to the final bound.
//! Exact   No class that wins anywhere is dropped: kSlack covers what rounding can do.
//! Weak    Beyond 32 classes a bit stands for several, which are all looked at again.
#pragma once

#include "cuda_utils/element.cuh"

#include <cuda_runtime.h>

#include <cmath>

namespace segpp::resize
{

constexpr int kCells = 2;  // of a thread, one above the other
constexpr int kChunk = 4;  // classes whose logits are on their way at the same time

// Every step of an interpolation is monotone, rounded or not. So a class whose highest corner is
// below the lowest corner of another never beats it, and loses when the gap is more than what
// interpolating four equal corners can move them: 4.1 * 2^-24 of either. This is four times that.
constexpr float kSlack = 0x1p-19F;

//! Keeps the compiler from taking an address apart again, into 64-bit sums for every load.
template <typename T>
__device__ T const* whole(T const* address)
{
#if defined(__CUDA_ARCH__)
    asm("" : "+l"(address));
#endif
    return address;
}

template <typename T>
__device__ float load(T const* plane, unsigned index)
{
    return toFloat(__ldg(plane + index));
}

//! The logits of one image, and which classes share a bit of a mask: one, or whole chunks.
template <typename T>
struct Classes
{
    T const* logits;
    int count, plane, shift;

    __device__ int clamped(int k) const
    {
        int const last = count - 1;
        return k < last ? k : last;
    }
    //! The bits of the chunk from class k on.
    __device__ unsigned bits(unsigned can, int k) const
    {
        return (shift ? static_cast<unsigned>(can != 0) : can) << (k >> shift);
    }
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
        return clamped(first(mask) + (1 << shift) - 1);
    }
};

//! Where the four corners of a cell are in a plane.
struct Corners
{
    unsigned aboveLeft, aboveRight, belowLeft, belowRight;

    template <typename T>
    __device__ float highest(T const* plane) const
    {
        return fmaxf(fmaxf(load(plane, aboveLeft), load(plane, aboveRight)),
            fmaxf(load(plane, belowLeft), load(plane, belowRight)));
    }
};

//! The cell's place: its corners lie between rows y - 1 and y, columns x - 1 and x of the logits.
struct Place
{
    int y, x;
};

//! What is known of a strip of cells after one pass over the classes.
struct Bounds
{
    float floor[kCells];        // some class is nowhere lower
    unsigned canWin[kCells];    // classes that were not out of it when they were seen
    float strange[kCells + 1];  // of a row of corners: not finite once one of them was not

    __device__ bool isPlain(int cell) const
    {
        return fabsf(strange[cell]) < INFINITY && fabsf(strange[cell + 1]) < INFINITY;
    }
};

__device__ inline float thresholdOf(float floor)
{
    return floor - kSlack * fabsf(floor);
}

//! Looks at classes k to k + kChunk - 1, the last one again in place of those beyond it. A row of
//! corners is a logit and the one after it.
template <typename T>
__device__ void look(
    Bounds& bounds, Classes<T> const& classes, unsigned const (&corner)[kCells + 1], int k)
{
    float lowest[kCells][kChunk];
    float highest[kCells][kChunk];
#pragma unroll
    for (int j = 0; j < kChunk; ++j)
    {
        int const first = classes.clamped(k + j) * classes.plane;
        float low[kCells + 1];
        float high[kCells + 1];
#pragma unroll
        for (int i = 0; i <= kCells; ++i)
        {
            T const* const pair = classes.logits + (corner[i] + static_cast<unsigned>(first));
            float const left = load(pair, 0);
            float const right = load(pair, 1);
            low[i] = fminf(left, right);
            high[i] = fmaxf(left, right);
            bounds.strange[i] = fmaf(left, right, bounds.strange[i]);
        }
#pragma unroll
        for (int i = 0; i < kCells; ++i)
        {
            lowest[i][j] = fminf(low[i], low[i + 1]);
            highest[i][j] = fmaxf(high[i], high[i + 1]);
        }
    }
#pragma unroll
    for (int i = 0; i < kCells; ++i)
    {
#pragma unroll
        for (int j = 0; j < kChunk; ++j)
        {
            bounds.floor[i] = fmaxf(bounds.floor[i], lowest[i][j]);
        }
        float const threshold = thresholdOf(bounds.floor[i]);
        unsigned can = 0;
#pragma unroll
        for (int j = 0; j < kChunk; ++j)
        {
            can |= highest[i][j] < threshold ? 0U : 1U << j;
        }
        bounds.canWin[i] |= classes.bits(can, k);
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
#pragma unroll 1
        for (int k = classes.first(mask); k <= classes.last(mask); ++k)
        {
            // Negated, so that a comparison with a not-a-number keeps the class.
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
