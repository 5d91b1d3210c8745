//! Chooses the sources that merge, and numbers the slots.
//!
//! Shapes  best (splits, B, S), inverseSource (B, S), keys (B, S); slot (B, N).
//! Work    One block per image. The score of every source becomes an integer key in a register; 32
//!         rounds of counting find the lowest key that merges, bit by bit, whatever the
//!         distribution of the scores. More than 16,384 sources take turns in the registers.
//! Exact   Integers all the way: the sources that merge are those of a stable sort, the lowest
//!         index first among equals.
//! Needs   0 <= merged <= S.
//! Weak    A batch of one keeps one multiprocessor busy. Sources that take turns read their keys
//!         from memory in every round.
#pragma once

#include "match_best.cuh"

namespace segpp
{

constexpr int kSelectThreads = 1024;
constexpr int kSelectWarps = kSelectThreads / kWarp;
constexpr int kKeys = 16;  // of a thread
constexpr int kSelectSources = kSelectThreads * kKeys;

//! An integer that orders like the score. NaN is 0, below everything; -0 and +0 are equal.
__device__ __forceinline__ unsigned int keyOf(float score)
{
    unsigned int const bits = __float_as_uint(__fadd_rn(score, 0.0F));
    unsigned int const key = bits >> 31 ? ~bits : bits | 0x80000000U;
    return score == score ? key : 0U;
}

//! The sources of one image, as the selection sees them.
struct Selection
{
    MatchResults results;
    int sources, merged, splits;
    bool anywhere;       // destinations may be any, not those of a window
    std::size_t before;  // sources of the images before
    std::size_t perSplit;

    __device__ __forceinline__ bool isResident() const
    {
        return sources <= kSelectSources;
    }

    //! The best of all splits. Products are compared before they are scaled by the length of the
    //! source, which may make different ones equal; so splits change nothing.
    __device__ __forceinline__ Match best(int source) const
    {
        Match const* at = results.best + before + source;
        Match match = *at;
        // Few splits and many copies of this function: unrolled, they fill the instruction cache.
#pragma unroll 1
        for (int split = 1; split < splits; ++split)
        {
            at += perSplit;
            takeLater(match, at->value, at->destination);
        }
        return match;
    }

    __device__ __forceinline__ int destination(int source) const
    {
        // A source without length is equally far from all, even where its products are not 0.
        bool const measured = results.inverseSource[before + source] != 0;
        return measured || !anywhere ? best(source).destination : 0;
    }

    __device__ __forceinline__ unsigned int key(int source) const
    {
        return keyOf(__fmul_rn(best(source).value, results.inverseSource[before + source]));
    }
};

//! Sums over the block, in every thread. The tables take turns, so that one barrier is enough: who
//! writes to one has seen everybody leave it, at the barrier of the other.
struct BlockSum
{
    int (&tables)[2][kSelectWarps];
    int turn;

    __device__ __forceinline__ int operator()(int count)
    {
        int const sum = warpSum(count);
        turn ^= 1;
        if (laneId() == 0)
        {
            tables[turn][warpId()] = sum;
        }
        __syncthreads();
        return warpSum(tables[turn][laneId()]);
    }
};

//! The keys of one turn, those of sources ``first`` + 1024 i + the thread's index, by ``keyAt``; 0
//! beyond the end.
template <typename KeyAt>
__device__ __forceinline__ void takeKeys(
    unsigned int (&keys)[kKeys], int sources, int first, KeyAt const& keyAt)
{
#pragma unroll
    for (int i = 0; i < kKeys; ++i)
    {
        int const source = first + i * kSelectThreads + static_cast<int>(threadIdx.x);
        keys[i] = source < sources ? keyAt(source) : 0U;
    }
}

//! Before the turn that starts at ``first``: keys that do not fit come back from memory.
__device__ __forceinline__ void bringKeys(
    unsigned int (&keys)[kKeys], Selection const& selection, int first)
{
    if (!selection.isResident())
    {
        unsigned int const* const stored = selection.results.keys + selection.before;
        takeKeys(keys, selection.sources, first, [=](int source) { return stored[source]; });
    }
}

__device__ __forceinline__ int countFrom(unsigned int const (&keys)[kKeys], unsigned int least)
{
    int count = 0;
#pragma unroll
    for (int i = 0; i < kKeys; ++i)
    {
        count += keys[i] >= least ? 1 : 0;
    }
    return count;
}

//! Where the sources of a turn stand among all: how many above the threshold, and how many equal to
//! it, come before each group of 32; both counts share a word.
struct Ranks
{
    int groups[kKeys][kSelectWarps];
    int totals[kKeys];
};

constexpr int kAboveShift = 16;  // a turn has 16,384 sources: 15 bits each
constexpr int kEqualMask = 0xffff;

//! Before its first barrier a warp writes only what no other reads, so turns need none between.
__device__ __forceinline__ void rankGroups(
    Ranks& ranks, unsigned int const (&keys)[kKeys], unsigned int threshold, int left)
{
#pragma unroll
    for (int i = 0; i < kKeys; ++i)
    {
        bool const valid = i * kSelectThreads + static_cast<int>(threadIdx.x) < left;
        unsigned int const above = __ballot_sync(kAllLanes, keys[i] > threshold);
        unsigned int const equal = __ballot_sync(kAllLanes, valid && keys[i] == threshold);
        if (laneId() == 0)
        {
            ranks.groups[i][warpId()] = (__popc(above) << kAboveShift) + __popc(equal);
        }
    }
    __syncthreads();
    if (warpId() < kKeys)
    {
        int const own = ranks.groups[warpId()][laneId()];
        int const below = warpSumBelow(own);
        ranks.groups[warpId()][laneId()] = below;
        if (laneId() == kWarp - 1)
        {
            ranks.totals[warpId()] = below + own;
        }
    }
    __syncthreads();
}

//! How many keys of the image are at least ``least``; of this thread alone.
__device__ __forceinline__ int countImage(
    unsigned int (&keys)[kKeys], Selection const& selection, unsigned int least)
{
    int count = 0;
    for (int first = 0; first < selection.sources; first += kSelectSources)
    {
        bringKeys(keys, selection, first);
        count += countFrom(keys, least);
    }
    return count;
}

//! The greatest threshold that ``merged`` sources reach, or one that nobody else reaches.
__device__ __forceinline__ unsigned int findThreshold(
    unsigned int (&keys)[kKeys], Selection const& selection, BlockSum& sum)
{
    unsigned int threshold = 0;
    for (int bit = 31; bit >= 0; --bit)
    {
        unsigned int const candidate = threshold | 1U << bit;
        int const count = sum(countImage(keys, selection, candidate));
        if (count >= selection.merged)
        {
            threshold = candidate;
        }
        if (count == selection.merged)
        {
            break;
        }
    }
    return threshold;
}

//! What a thread carries from turn to turn: the sources before this one that merge for certain, and
//! those that merge only while there is room.
struct Before
{
    int above, equal;
};

//! Slots of the sources of one turn.
__device__ __forceinline__ void numberSources(Ranks const& ranks,
    unsigned int const (&keys)[kKeys], Selection const& selection, MatchLattice const& lattice,
    unsigned int threshold, int room, int first, Before& before, int* slot)
{
    unsigned int const lower = (1U << laneId()) - 1;
#pragma unroll
    for (int i = 0; i < kKeys; ++i)
    {
        int const source = first + i * kSelectThreads + static_cast<int>(threadIdx.x);
        bool const valid = source < selection.sources;
        bool const isAbove = keys[i] > threshold;
        bool const isEqual = valid && keys[i] == threshold;
        int const group = ranks.groups[i][warpId()];
        int const above = before.above + (group >> kAboveShift)
            + __popc(__ballot_sync(kAllLanes, isAbove) & lower);
        int const equal = before.equal + (group & kEqualMask)
            + __popc(__ballot_sync(kAllLanes, isEqual) & lower);
        if (valid)
        {
            bool const merges = isAbove || (isEqual && equal < room);
            int const kept = selection.sources - selection.merged;
            slot[lattice.sourceToken(source)] = merges ? kept + selection.destination(source)
                                                       : source - above - min(equal, room);
        }
        before.above += ranks.totals[i] >> kAboveShift;
        before.equal += ranks.totals[i] & kEqualMask;
    }
}

__global__ void __launch_bounds__(kSelectThreads) selectAndNumber(
    MatchLattice lattice, int merged, int splits, bool anywhere, MatchResults results, int* slot)
{
    __shared__ int tables[2][kSelectWarps];
    __shared__ Ranks ranks;

    std::size_t const image = blockIdx.x;
    int const thread = static_cast<int>(threadIdx.x);
    Selection const selection{results, lattice.sources, merged, splits, anywhere,
        image * lattice.sources, static_cast<std::size_t>(gridDim.x) * lattice.sources};
    // 1. Keys (S): in registers, or in memory if there are too many.
    unsigned int keys[kKeys];
    if (selection.isResident())
    {
        takeKeys(keys, selection.sources, 0, [&](int source) { return selection.key(source); });
    }
    else
    {
        // A thread reads back what it wrote itself, so there is nothing to wait for.
        for (int source = thread; source < lattice.sources; source += kSelectThreads)
        {
            results.keys[selection.before + source] = selection.key(source);
        }
    }

    // 2. The threshold; of the keys equal to it, the first `room` merge.
    BlockSum sum{tables, 0};
    unsigned int const threshold = findThreshold(keys, selection, sum);
    // Nothing is above the greatest key.
    int const above
        = threshold == 0xffffffffU ? 0 : countImage(keys, selection, threshold + 1);
    int const room = merged - sum(above);

    // 3. Slots of the sources, turn by turn.
    int* const out = slot + image * lattice.tokens();
    Before before{0, 0};
    for (int first = 0; first < lattice.sources; first += kSelectSources)
    {
        bringKeys(keys, selection, first);
        rankGroups(ranks, keys, threshold, lattice.sources - first);
        numberSources(
            ranks, keys, selection, lattice, threshold, room, first, before, out);
    }
    // 4. Slots of the destinations (D), behind those of the sources that stay.
    int const kept = lattice.sources - merged;
    for (int destination = thread; destination < lattice.destinations;
         destination += kSelectThreads)
    {
        out[lattice.destinationToken(destination)] = kept + destination;
    }
}

} // namespace segpp
