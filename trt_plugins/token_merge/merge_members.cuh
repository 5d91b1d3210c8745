//! Who shares a slot: the members of a block's slots, found and sorted in shared memory.
//!
//! Shapes  slot (tokens of the window) of one image; listed and sorted (members of the block).
//! Work    A vote gives one bit for each token; the bits become a list in raster order, and every
//!         warp takes the members of one row out of it.
//! Exact   Raster order, within a row too: nothing is exchanged but by position. No atomics.
#pragma once

#include "merge_tiling.cuh"

#include <cuda_runtime.h>

namespace segpp::merge
{

struct Members
{
    union
    {
        Member listed[kWindow];                               // token * kMostRows + row
        float partial[kThreads * kWide<std::uint16_t>];  // later: sums of groups
    };
    Member sorted[kWindow];  // tokens, by row
    int starts[kMostRows], counts[kMostRows];
    int before[kMostRows];  // how many members a row had in earlier windows
    int found[kWarps];
    unsigned bits[kThreads];  // of 32 tokens each: whether they are members
};

//! Consecutive slots, those of a block.
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

//! Which of the tokens of some words of 32 are members, a bit for each; the work of a warp.
template <int kCount, bool kWhole>
__device__ void lookAt(
    unsigned* bits, int const* slot, int token, int tokens, int words, Rows rows)
{
    bool const writes = laneId() == 0;
    int found[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i)
    {
        bool const inside = kWhole || (i < words && token + i * kWarp < tokens);
        found[i] = inside ? slot[token + i * kWarp] : -1;
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i)
    {
        unsigned const hits = __ballot_sync(kAllLanes, rows.has(found[i]));
        if (writes && (kWhole || i < words))
        {
            bits[i] = hits;
        }
    }
}

//! The bits of the lane's word among the warp's, which are ``words`` from token ``first`` on.
__device__ inline unsigned look(
    unsigned* bits, int const* slot, int first, int tokens, int words, Rows rows)
{
    int base = 0;
    int const token = first + laneId();
    // As long as no load needs a test of its own.
    int const whole = (tokens - first) / kWarp < words ? (tokens - first) / kWarp : words;
    for (; base + kLooks <= whole; base += kLooks)
    {
        lookAt<kLooks, true>(
            bits + base, slot, token + base * kWarp, tokens, words - base, rows);
    }
    for (; base + kLooks / 2 <= whole; base += kLooks / 2)
    {
        lookAt<kLooks / 2, true>(
            bits + base, slot, token + base * kWarp, tokens, words - base, rows);
    }
    for (; base < words; base += kLooks / 2)
    {
        lookAt<kLooks / 2, false>(
            bits + base, slot, token + base * kWarp, tokens, words - base, rows);
    }
    __syncwarp();
    return laneId() < words ? bits[laneId()] : 0;
}

//! Lists the members of a window in raster order; returns how many there are.
__device__ inline int enlist(Members& members, int const* slot, int tokens, Rows rows)
{
    int const words = (tokens + kThreads - 1) / kThreads;  // of a warp: at most one for each lane
    int const first = warpId() * words * kWarp;
    unsigned bits
        = look(members.bits + warpId() * kWarp, slot, first, tokens, words, rows);
    int const own = __popc(bits);
    int place = warpSumBelow(own);
    if (laneId() == kWarp - 1)
    {
        members.found[warpId()] = place + own;
    }
    __syncthreads();
    int total = 0;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp)
    {
        int const found = members.found[warp];
        place += warp < warpId() ? found : 0;
        total += found;
    }
    for (; bits; bits &= bits - 1)
    {
        int const token = first + laneId() * kWarp + __ffs(static_cast<int>(bits)) - 1;
        members.listed[place++] = static_cast<Member>(token * kMostRows + slot[token] - rows.first);
    }
    return total;
}

//! Takes the members of ``row`` out of the list; the work of one warp.
__device__ inline void sortOut(Members& members, int listed, int row, bool again)
{
    int const lane = laneId();
    int lower = 0;
    int same = 0;
    // Lists are short: unrolled, these loops would be code that is not run.
#pragma unroll 1
    for (int i = lane; i < listed; i += kWarp)
    {
        int const other = members.listed[i] % kMostRows;
        lower += other < row ? 1 : 0;
        same += other == row ? 1 : 0;
    }
    int const start = warpSum(lower);
    int const count = warpSum(same);
    int place = start;
#pragma unroll 1
    for (int base = 0; base < listed; base += kWarp)
    {
        int const member = base + lane < listed ? members.listed[base + lane] : -1;
        bool const hit = member >= 0 && member % kMostRows == row;
        unsigned const hits = __ballot_sync(kAllLanes, hit);
        if (hit)
        {
            int const rank = __popc(hits & ((1U << lane) - 1));
            members.sorted[place + rank] = static_cast<Member>(member / kMostRows);
        }
        place += __popc(hits);
    }
    if (lane == 0)
    {
        members.before[row] = again ? members.before[row] + members.counts[row] : 0;
        members.starts[row] = start;
        members.counts[row] = count;
    }
}

//! Finds the members of ``rows`` among the tokens of a window, sorted by row.
__device__ inline void find(Members& members, int const* slot, int tokens, Rows rows, bool again)
{
    int const listed = enlist(members, slot, tokens, rows);
    __syncthreads();
    if (warpId() < rows.count)
    {
        sortOut(members, listed, warpId(), again);
    }
    __syncthreads();
}

} // namespace segpp::merge
