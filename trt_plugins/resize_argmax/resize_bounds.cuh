//! Which classes can be the best somewhere in a cell.
//!
//! Shapes  logits (K, h, w) of one image; of every cell a bit for each class, 16 in a word.
//! Work    One pass over the classes, shared by the warps of a block, ten to each and two cells
//!         to an instruction: the highest and the lowest corner of each class stay in registers.
//!         The warps exchange the best of the lowest, and drop what stays below it.
//! Exact   No class that wins anywhere is dropped. Every step of an interpolation is monotone,
//!         rounded or not, and one between equal numbers gives them back: a weight is an odd
//!         multiple of 1 / (2 s), s = 2, 4 or 8, so that rounding (1 - weight) times a number errs
//!         by less than half its last place, or by half where its last bits are 1000, and then
//!         the sum is rounded to even, which the number is. So a class whose highest corner is
//!         below the lowest corner of another is below it everywhere.
//! Weak    Near a logit that is not finite the classes that share its warp drop none.
#pragma once

#include "resize_pairs.cuh"
#include "resize_tiling.cuh"

#include <cuda_runtime.h>

#include <cmath>

namespace segpp::resize
{

//! Keeps the compiler from taking an address apart again, into 64-bit sums for every load.
template <typename T>
__device__ T const* whole(T const* address)
{
#if defined(__CUDA_ARCH__)
    asm("" : "+l"(address));
#endif
    return address;
}

__device__ inline int clamped(int value, int end)
{
    return value < 0 ? 0 : value < end ? value : end - 1;
}

//! How many classes an image has, and how many logits each of them.
struct Classes
{
    int count, plane;

    __device__ unsigned startOf(int k) const
    {
        return static_cast<unsigned>(k) * static_cast<unsigned>(plane);
    }
};

//! What the warps of a block tell each other of a lane's two cells.
template <typename T>
struct Shared
{
    Pair<T> floor[kSlices][kWarp];     // some class is nowhere lower; NaN beside strange logits
    unsigned canWin[kSlices][kWarp];  // classes of the slice: the lower cell in the high half
};

//! What is known of a lane's cells after a look at some classes.
template <typename T>
struct Bounds
{
    Pair<T> floor;
    Pair<T> highest[kShare];
    Pair<T> strange;  // not finite once a logit was not
};

//! Looks at a class: three logits of the lane's column, and those of its right neighbour.
template <typename T>
__device__ void look(Bounds<T>& bounds, T const (&logit)[kCells + 1], int place)
{
    Pair<T> const above = pairOf(logit[0], logit[1]);
    Pair<T> const below = pairOf(logit[1], logit[2]);
    Pair<T> lowest = lower(above, below);
    Pair<T> const highest = higher(above, below);
    lowest = lower(lowest, ofNextLane(lowest));
    bounds.highest[place] = higher(highest, ofNextLane(highest));
    bounds.floor = place ? higher(bounds.floor, lowest) : lowest;
    bounds.strange = spoiled(spoiled(bounds.strange, above), below);
}

//! Looks at the classes of a slice, the last one of all again in place of those beyond it.
template <typename T>
__device__ void lookAtSlice(
    Bounds<T>& bounds, Classes const& classes, int first, T const* const (&row)[kCells + 1])
{
    T const zero = fromFloat<T>(0.0F);
    bounds.strange = pairOf(zero, zero);
    unsigned const last = classes.startOf(classes.count - 1);
    unsigned next = classes.startOf(first);
    T logit[kShare][kCells + 1];
#pragma unroll
    for (int j = 0; j < kShare; ++j)
    {
        unsigned const start = min(next, last);
        next += static_cast<unsigned>(classes.plane);
#pragma unroll
        for (int i = 0; i <= kCells; ++i)
        {
            logit[j][i] = __ldg(row[i] + start);
        }
    }
#pragma unroll
    for (int j = 0; j < kShare; ++j)
    {
        look(bounds, logit[j], j);
    }
}

//! Tells the other warps what is the floor by the classes of this one.
template <typename T>
__device__ void tellFloor(Shared<T>& shared, Bounds<T> const& bounds, int slice)
{
    float strange = sumOfBoth(bounds.strange);
    strange += __shfl_down_sync(kAllLanes, strange, 1);
    T const spoil = fromFloat<T>(strange);
    shared.floor[slice][laneId()] = sum(bounds.floor, pairOf(spoil, spoil));
}

//! Drops the classes that some class of any warp puts out of it, and tells which are left.
template <typename T>
__device__ void tellWinners(
    Shared<T>& shared, Bounds<T> const& bounds, int slices, int slice, int classes)
{
    // Of NaN and a number the number is higher: a slice beside a strange logit has no say. If all
    // are, no class is below NaN.
    Pair<T> floor = shared.floor[0][laneId()];
    for (int other = 1; other < slices; ++other)
    {
        floor = higher(floor, shared.floor[other][laneId()]);
    }
    unsigned bits = 0;
#pragma unroll
    for (int j = 0; j < kShare; ++j)
    {
        bits |= notBelow(bounds.highest[j], floor) & 0x10001U << j;
    }
    // The last slice has looked again at its last class.
    int const left = classes - slice * kShare;
    int const own = left < kShare ? left : kShare;
    shared.canWin[slice][laneId()] = own > 0 ? bits & ((1U << own) - 1) * 0x10001U : 0;
}

//! The classes that can win in a cell of a lane, in order.
template <typename T>
struct Winners
{
    Shared<T> const& shared;
    int slices;
    int cell;
    int slice = -1;
    unsigned bits = 0;

    __device__ unsigned of(int which) const
    {
        return shared.canWin[which][laneId()] >> 16 * cell & 0xffffU;
    }
    //! The next class, or -1 behind the last.
    __device__ int next()
    {
        while (!bits)
        {
            if (++slice >= slices)
            {
                return -1;
            }
            bits = of(slice);
        }
        int const k = slice * kShare + __ffs(static_cast<int>(bits)) - 1;
        bits &= bits - 1;
        return k;
    }
};

} // namespace segpp::resize
