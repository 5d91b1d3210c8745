//! Who shares a slot: the members of a block's slots, found and sorted in shared memory.
//!
//! Shapes  slot (N) of one image; listed and sorted (members of the block), starts (rows + 1).
//! Work    The image's slots are split among the warps, which count first and then write behind
//!         each other; one warp sorts.
//! Exact   Raster order, and within a row too: the sort is stable. No atomics.
//! Needs   N < 2^26: a member is its token times 32 plus its row, in one int.
#pragma once

#include "cuda_utils/element.cuh"
#include "cuda_utils/warp.cuh"

#include <cuda_runtime.h>

namespace segpp::merge
{

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kMostRows = 32;    // slots of a block, as many as a warp has lanes
constexpr int kGroup = 32;       // members that are summed in one go, GROUP in ops/reference.py
constexpr int kCapacity = 2048;  // members that a block lists at a time
constexpr int kShared = 256;     // members from which on a slot is worth the whole block
constexpr int kInFlight = 4;
constexpr int kMostTokens = (1 << 26) - 1;  // so that a member is one int

struct Members
{
    union
    {
        int listed[kCapacity];      // token * kMostRows + row, in raster order
        float partial[kCapacity];   // later: sums of groups, on their way to the first thread
    };
    int sorted[kCapacity + kGroup];  // the same by row; or the members of one row
    int starts[kMostRows + 1];
    int next[kMostRows];
    int counts[kWarps];
};

static_assert(kThreads * kPerWord<__half, uint4> <= kCapacity);

//! Consecutive slots, those of a block or one of them.
struct Rows
{
    int first, count;

    __device__ bool has(int slot) const
    {
        // Unsigned, so that no slot, however hostile, overflows.
        auto const distance = static_cast<unsigned>(slot) - static_cast<unsigned>(first);
        return distance < static_cast<unsigned>(count);
    }
};

//! Consecutive tokens, those of a warp.
struct Range
{
    int begin, end;
};

__device__ inline Range rangeOfWarp(int begin, int end)
{
    int const share = (end - begin + kThreads - 1) / kThreads * kWarp;
    int const first = begin + warpId() * share;
    return {first, first + share < end ? first + share : end};
}

//! Counts the members of ``rows`` in every warp's range; returns how many there are in the block,
//! and in ``before`` how many in lower warps.
__device__ inline int countMembers(
    Members& members, int const* slot, Range range, Rows rows, int& before)
{
    int hits = 0;
#pragma unroll 8
    for (int token = range.begin + laneId(); token < range.end; token += kWarp)
    {
        hits += rows.has(slot[token]) ? 1 : 0;
    }
    hits = warpSum(hits);
    if (laneId() == 0)
    {
        members.counts[warpId()] = hits;
    }
    __syncthreads();
    int total = 0;
    before = 0;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp)
    {
        before += warp < warpId() ? members.counts[warp] : 0;
        total += members.counts[warp];
    }
    return total;
}

//! Writes the members of ``rows`` in the range to ``list``, in raster order.
__device__ inline void enlist(int const* slot, Range range, Rows rows, int* list)
{
    unsigned const below = (1U << laneId()) - 1;
#pragma unroll 4
    for (int base = range.begin; base < range.end; base += kWarp)
    {
        int const token = base + laneId();
        int const own = token < range.end ? slot[token] : -1;
        unsigned const hits = __ballot_sync(kAllLanes, rows.has(own));
        if (rows.has(own))
        {
            list[__popc(hits & below)] = token * kMostRows + (own - rows.first);
        }
        list += __popc(hits);
    }
}

//! Sorts the list by row, stably; the work of one warp.
__device__ inline void sort(Members& members, int count)
{
    int const lane = laneId();
    members.next[lane] = 0;
    __syncwarp();
    for (int base = 0; base < count; base += kWarp)
    {
        bool const inside = base + lane < count;
        int const row = inside ? members.listed[base + lane] % kMostRows : kMostRows;
        unsigned const same = __match_any_sync(kAllLanes, row);
        if (inside && __ffs(same) - 1 == lane)
        {
            members.next[row] += __popc(same);
        }
        __syncwarp();
    }
    int const start = warpSumBelow(members.next[lane]);
    members.starts[lane] = start;
    if (lane == 0)
    {
        members.starts[kMostRows] = count;
    }
    __syncwarp();
    members.next[lane] = start;
    __syncwarp();
    for (int base = 0; base < count; base += kWarp)
    {
        bool const inside = base + lane < count;
        int const member = inside ? members.listed[base + lane] : 0;
        int const row = inside ? member % kMostRows : kMostRows;
        unsigned const same = __match_any_sync(kAllLanes, row);
        if (inside)
        {
            int const rank = __popc(same & ((1U << lane) - 1));
            members.sorted[members.next[row] + rank] = member;
        }
        __syncwarp();
        if (inside && __ffs(same) - 1 == lane)
        {
            members.next[row] += __popc(same);
        }
        __syncwarp();
    }
}

} // namespace segpp::merge
