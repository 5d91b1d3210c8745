//! Chooses the sources that merge, and numbers the slots.
//!
//! Shapes  values, destinations (splits, B, padded S), inverseSource (B, padded S); slot (B, N).
//! Work    Up to four blocks per image. Each finds the threshold by itself, which takes no longer
//!         than to be told it, and numbers ``groupsEach`` groups of sources; so no launch and no
//!         word between blocks is needed. Keys stay in registers up to kThreads x 4 x kGroups
//!         sources; beyond, they are made again from the matches whenever they are looked at.
//! Exact   Integers all the way: the sources that merge are those of a stable sort, the lowest
//!         index first among equals.
//! Needs   0 <= merged <= S. Results 16-byte aligned.
//! Weak    Sources whose keys are made again cost every block another walk over the matches.
#pragma once

#include "cuda_utils/launch.cuh"
#include "match_threshold.cuh"
#include "token_match/match_plan.h"

namespace segpp
{

//! How many sources merge for certain, and how many only while there is room.
struct Ranks
{
    int above, equal;
};

__device__ __forceinline__ Ranks ranksOf(
    FourKeys const& keys, Threshold const& threshold)
{
    Ranks ranks{0, 0};
#pragma unroll
    for (unsigned int const key : keys)
    {
        ranks.above += key >= threshold.least ? 1 : 0;
        ranks.equal += key == threshold.least - 1 ? 1 : 0;
    }
    return ranks;
}

//! What the warps of a block tell each other. The tables of the groups take turns: who writes to
//! one has seen everybody leave it, at the barrier of the other.
template <int kThreads>
struct RankTables
{
    Ranks before[kThreads / kWarp];
    int groups[2][kThreads / kWarp];
};

constexpr int kAboveShift = 16;  // a group has 2,048 sources: both counts share a word
constexpr int kEqualMask = 0xffff;

__device__ __forceinline__ Ranks plus(Ranks const& ranks, int packed)
{
    return {ranks.above + (packed >> kAboveShift), ranks.equal + (packed & kEqualMask)};
}

//! Packed counts of a group: those before this thread, and all. Behind its barrier.
struct GroupRanks
{
    int below, all;
};

template <int kThreads>
__device__ __forceinline__ GroupRanks rankGroup(
    int (&warps)[kThreads / kWarp], Ranks const& own)
{
    int const packed = (own.above << kAboveShift) + own.equal;
    int const below = warpSumBelow(packed);
    if (laneId() == kWarp - 1)
    {
        warps[warpId()] = below + packed;
    }
    __syncthreads();
    int const warp = laneId() < kThreads / kWarp ? warps[laneId()] : 0;
    return {below + warpSum(laneId() < warpId() ? warp : 0), warpSum(warp)};
}

//! Slots of this thread's sources of one group.
__device__ __forceinline__ void numberSources(MatchLattice const& lattice, int merged, int first,
    Candidates const& found, Threshold const& threshold, Ranks ranks, int* slot)
{
    int const kept = lattice.sources - merged;
#pragma unroll
    for (int j = 0; j < kTogether; ++j)
    {
        int const source = first + j;
        bool const isAbove = found.keys[j] >= threshold.least;
        bool const isEqual = found.keys[j] == threshold.least - 1;
        bool const merges = isAbove || (isEqual && ranks.equal < threshold.room);
        if (source < lattice.sources)
        {
            // Unsigned, an index needs one instruction to become an address.
            slot[static_cast<unsigned int>(lattice.sourceToken(source))] = merges
                ? kept + found.destinations[j]
                : source - ranks.above - min(ranks.equal, threshold.room);
        }
        ranks.above += isAbove ? 1 : 0;
        ranks.equal += isEqual ? 1 : 0;
    }
}

//! The sum over the block, of what its warps wrote before a barrier.
template <int kThreads>
__device__ __forceinline__ Ranks sumOf(Ranks const (&warps)[kThreads / kWarp])
{
    bool const there = laneId() < kThreads / kWarp;
    Ranks const warp = there ? warps[laneId()] : Ranks{0, 0};
    return {warpSum(warp.above), warpSum(warp.equal)};
}

template <int kThreads, int kGroups>
__global__ void __launch_bounds__(kThreads, 1) selectAndNumber(
    MatchLattice lattice, int merged, int splits, int groupsEach, bool anywhere,
    MatchResults results, int* slot)
{
    __shared__ ThresholdTables<kThreads> tables;
    __shared__ RankTables<kThreads> rankTables;

    MatchedSources<kThreads> const sources{results, lattice, splits};
    int const groups = sources.groups();
    int const block = static_cast<int>(blockIdx.x);
    int const blocks = static_cast<int>(gridDim.x);
    int const firstGroup = min(block * groupsEach, groups);
    int const lastGroup = min(firstGroup + groupsEach, groups);
    int* const out = slot + static_cast<std::size_t>(blockIdx.y) * lattice.tokens();
    int const kept = lattice.sources - merged;

    // 1. Slots of the destinations (D), behind those of the sources that stay.
#pragma unroll 1
    for (int destination = block * kThreads + static_cast<int>(threadIdx.x);
         destination < lattice.destinations; destination += blocks * kThreads)
    {
        out[lattice.destinationToken(destination)] = kept + destination;
    }
    if (firstGroup == lastGroup)
    {
        return;
    }

    // 2. The threshold, from the keys of the whole image (S). What will be numbered is on its way
    // meanwhile.
    Candidates found = sources.take(firstGroup, anywhere);
    HeldKeys<kThreads, kGroups> keys{sources};
    Frame frame{0, 0};
    Threshold threshold{0xffffffffU, 0};
    if (merged > 0)
    {
        threshold = findThreshold(tables, keys, frame, groups, merged);
    }

    // 3. Slots of the sources, group by group, behind those of the groups before.
    Ranks before{0, 0};
    keys.each(firstGroup, [&](FourKeys const& of) {
        Ranks const ranks = ranksOf(of, threshold);
        before.above += ranks.above;
        before.equal += ranks.equal;
    });
    before = {warpSum(before.above), warpSum(before.equal)};
    if (laneId() == 0)
    {
        rankTables.before[warpId()] = before;
    }
#pragma unroll 1
    for (int group = firstGroup; group < lastGroup; ++group)
    {
        if (group > firstGroup)
        {
            found = sources.take(group, anywhere);
        }
#pragma unroll
        for (unsigned int& key : found.keys)
        {
            key = frame(key);
        }
        GroupRanks const ranks = rankGroup<kThreads>(
            rankTables.groups[group % 2], ranksOf(found.keys, threshold));
        if (group == firstGroup)
        {
            before = sumOf<kThreads>(rankTables.before);
        }
        numberSources(lattice, merged, sources.first + group * MatchedSources<kThreads>::kGroup,
            found, threshold, plus(before, ranks.below), out);
        before = plus(before, ranks.all);
    }
}

//! One launch of the selection.
struct Selection
{
    MatchLattice lattice;
    int batch, merged, splits, processors;
    bool anywhere;  // destinations may be any, not those of a window

    //! As many threads as the sources need: a small image waits for fewer warps at a barrier.
    cudaError_t launchOn(MatchResults const& results, int* slot, cudaStream_t stream) const noexcept
    {
        if (lattice.sources <= 2 * MatchedSources<256>::kGroup)
        {
            return by<256, 2>(results, slot, stream);
        }
        if (lattice.sources <= 4 * MatchedSources<512>::kGroup)
        {
            return by<512, 4>(results, slot, stream);
        }
        return by<512, 0>(results, slot, stream);
    }

private:
    template <int kThreads, int kGroups>
    cudaError_t by(MatchResults const& results, int* slot, cudaStream_t stream) const noexcept
    {
        int const groups = ceilDivide(lattice.sources, MatchedSources<kThreads>::kGroup);
        int const blocks = selectBlocks(groups, batch, processors);
        return launch(selectAndNumber<kThreads, kGroups>, dim3(blocks, batch), dim3(kThreads), 0,
            stream, lattice, merged, splits, ceilDivide(groups, blocks), anywhere, results, slot);
    }
};

} // namespace segpp
