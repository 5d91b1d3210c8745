//! Finds the key that divides the sources that merge from those that stay.
//!
//! Work    A radix search. The lowest and the greatest key say which bits matter at all; of those,
//!         eight at a time from the top: a histogram in shared memory of the keys that are still
//!         in question, in which one warp finds the bin of the last source to merge. It ends with
//!         the first bin that merges as a whole.
//! Exact   Integers, of which nothing but counts is kept: no order of additions changes them.
#pragma once

#include "cuda_utils/warp.cuh"
#include "match_keys.cuh"

namespace segpp
{

constexpr int kDigit = 8;  // bits
constexpr int kBins = 1 << kDigit;
constexpr int kDigits = 32 / kDigit;

//! Keys from ``least`` on merge; of those equal to ``least`` - 1, the first ``room``.
struct Threshold
{
    unsigned int least;
    int room;
};

//! The bin of the last source to merge.
struct alignas(16) Bin
{
    int digit;
    int wanted;  // how many of its keys merge
    int count;   // how many there are
};

template <int kThreads>
struct ThresholdTables
{
    // The last bin takes what is not in question any more; 260 keep rows 16-byte aligned.
    int bins[kDigits][kBins + 4];
    unsigned int greatest[2][kThreads / kWarp];  // of the keys, and of their negatives
    Bin bin;
};

template <int kThreads>
__device__ __forceinline__ void clearBins(ThresholdTables<kThreads>& tables)
{
    constexpr int kWords = kBins / 4;
    static_assert(kThreads >= kDigits * kWords);
    int const thread = static_cast<int>(threadIdx.x);
    if (thread < kDigits * kWords)
    {
        int* const bins = tables.bins[thread / kWords];
        reinterpret_cast<int4*>(bins)[thread % kWords] = {0, 0, 0, 0};
    }
}

//! The frame of all keys; behind it, everybody sees the bins empty.
template <int kThreads, typename Keys>
__device__ __forceinline__ Frame frameOf(
    ThresholdTables<kThreads>& tables, Keys const& keys, int groups)
{
    constexpr int kWarps = kThreads / kWarp;
    unsigned int greatest = 0;
    unsigned int negative = 0;
    keys.each(groups, [&](FourKeys const& of) {
#pragma unroll
        for (unsigned int const key : of)
        {
            greatest = max(greatest, key);
            // The greatest negative is that of the lowest key, but of 0: those are no numbers, or
            // beyond the end.
            negative = max(negative, 0U - key);
        }
    });
    greatest = warpMax(greatest);
    negative = warpMax(negative);
    if (laneId() == 0)
    {
        tables.greatest[0][warpId()] = greatest;
        tables.greatest[1][warpId()] = negative;
    }
    __syncthreads();
    unsigned int const low = ~warpMax(tables.greatest[1][laneId() % kWarps]);
    unsigned int const high = warpMax(tables.greatest[0][laneId() % kWarps]);
    return {low, __clz(static_cast<int>(high - low))};
}

//! The bin that the ``wanted``-th key from the top falls into; by one warp, in whose hands
//! ``found`` is.
__device__ __forceinline__ void findBin(int const* bins, int wanted, Bin& found)
{
    constexpr int kPerLane = kBins / kWarp;
    // The first lane has the highest bins.
    int const lowest = (kWarp - 1 - laneId()) * kPerLane;
    int counts[kPerLane];
    int own = 0;
#pragma unroll
    for (int i = 0; i < kPerLane; i += 4)
    {
        auto const four = *reinterpret_cast<int4 const*>(&bins[lowest + i]);
        counts[i] = four.x;
        counts[i + 1] = four.y;
        counts[i + 2] = four.z;
        counts[i + 3] = four.w;
        own += four.x + four.y + four.z + four.w;
    }
    int left = wanted - warpSumBelow(own);
    if (left > 0 && left <= own)
    {
        int digit = kPerLane - 1;
        int count = counts[kPerLane - 1];
#pragma unroll
        for (int i = kPerLane - 2; i >= 0; --i)
        {
            // Still beyond the bin above: it is this one or one below.
            bool const beyond = digit == i + 1 && left > count;
            left -= beyond ? count : 0;
            count = beyond ? counts[i] : count;
            digit = beyond ? i : digit;
        }
        found = {lowest + digit, left, count};
    }
}

//! Counts the keys with the bits of ``base`` above those of the digit at ``shift``.
template <typename Keys>
__device__ __forceinline__ void countDigits(
    int* bins, Keys const& keys, int groups, unsigned int base, int shift)
{
    keys.each(groups, [&](FourKeys const& of) {
#pragma unroll
        for (unsigned int const key : of)
        {
            unsigned int const digit = (key - base) >> shift;
            atomicAdd(&bins[min(digit, static_cast<unsigned int>(kBins))], 1);
        }
    });
}

//! The threshold for 1 <= ``merged`` <= sources, in the frame that ``keys`` enter.
template <int kThreads, typename Keys>
__device__ __forceinline__ Threshold findThreshold(
    ThresholdTables<kThreads>& tables, Keys& keys, Frame& frame, int groups, int merged)
{
    clearBins(tables);
    frame = frameOf(tables, keys, groups);
    keys.enter(frame);
    unsigned int base = 0;
    int wanted = merged;
    // Behind the last digit nothing is left to tell keys apart. Keys beyond the end are among the
    // lowest; they are the last of all, so equals that are counted with them stay whatever merges.
#pragma unroll 1
    for (int digit = 0;; ++digit)
    {
        int const shift = 32 - kDigit - digit * kDigit;
        int* const bins = tables.bins[digit];
        countDigits(bins, keys, groups, base, shift);
        __syncthreads();
        if (warpId() == 0)
        {
            findBin(bins, wanted, tables.bin);
        }
        __syncthreads();
        Bin const bin = tables.bin;
        base += static_cast<unsigned int>(bin.digit) << shift;
        wanted = bin.wanted;
        if (bin.count == wanted)
        {
            return {base, 0};
        }
        // The frame leaves the lowest bits 0.
        if (shift <= frame.shift)
        {
            return {base + 1, wanted};
        }
    }
}

} // namespace segpp
