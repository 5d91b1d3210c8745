//! The scores of the sources as integer keys, four neighbours to a thread.
//!
//! A group is 4 x kThreads consecutive sources: thread t has the sources 4 t to 4 t + 3 of it, so
//! that everything travels in words of 16 bytes, and sources ascend with the threads.
#pragma once

#include "cuda_utils/vector.cuh"
#include "token_match/match_best.cuh"

namespace segpp
{

constexpr int kTogether = kSourcePadding;  // sources of a thread in one group

using FourKeys = unsigned int[kTogether];

//! An integer that orders like the score. NaN is 0, below everything; -0 and +0 are equal.
__device__ __forceinline__ unsigned int keyOf(float score)
{
    // Two roundings: fused, a product that vanishes below 0 would stay -0.
    unsigned int const bits = __float_as_uint(__fadd_rn(score, 0.0F));
    unsigned int const flipped = static_cast<unsigned int>(static_cast<int>(bits) >> 31);
    return score == score ? bits ^ (flipped | 0x80000000U) : 0U;
}

//! Moves keys, in their order, so that those of one image fill the word from its highest bit on.
struct Frame
{
    unsigned int low;  // one less than the lowest key but 0
    int shift;

    __device__ __forceinline__ unsigned int operator()(unsigned int key) const
    {
        return (max(key, low) - low) << shift;
    }
};

//! Four keys, and the destinations that they stand for.
struct Candidates
{
    FourKeys keys;
    int destinations[kTogether];
};

//! The matches of one image, blockIdx.y, as groups of ``kThreads`` threads read them.
template <int kThreads>
struct MatchedSources
{
    static constexpr int kGroup = kThreads * kTogether;
    using Scores = Pack<float, kTogether>;

    float const* values;  // of this thread's sources in the first group
    int const* destinations;
    float const* inverse;
    std::size_t perSplit;
    int first;  // of those sources
    int sources, splits;

    __device__ __forceinline__ MatchedSources(
        MatchResults const& results, MatchLattice const& lattice, int split_count)
        : perSplit{static_cast<std::size_t>(gridDim.y) * lattice.paddedSources()},
          first{static_cast<int>(threadIdx.x) * kTogether}, sources{lattice.sources},
          splits{split_count}
    {
        std::size_t const before = static_cast<std::size_t>(blockIdx.y) * lattice.paddedSources();
        values = results.values + before + first;
        destinations = results.destinations + before + first;
        inverse = results.inverseSource + before + first;
    }

    __device__ __forceinline__ int groups() const
    {
        return (sources + kGroup - 1) / kGroup;
    }

    //! Keys of ``kCount`` groups from ``group`` on; 0 beyond the end. All splits are asked before
    //! they are scaled by the length of the source, which may make different products equal; so
    //! splits change nothing.
    template <int kCount>
    __device__ __forceinline__ void takeKeys(FourKeys (&keys)[kCount], int group) const
    {
        int const start = first + group * kGroup;
        float const* from = values + group * kGroup;
        Scores best[kCount] = {};
        Scores length[kCount];
#pragma unroll
        for (int i = 0; i < kCount; ++i)
        {
            length[i] = nowhere();
            if (start + i * kGroup < sources)
            {
                best[i] = loadPack<float, kTogether>(from + i * kGroup);
                length[i] = loadPack<float, kTogether>(inverse + (group + i) * kGroup);
            }
        }
        // Outside, so that the loads of all groups are under way at once.
#pragma unroll 1
        for (int split = 1; split < splits; ++split)
        {
            from += perSplit;
#pragma unroll
            for (int i = 0; i < kCount; ++i)
            {
                if (start + i * kGroup < sources)
                {
                    takeGreater(best[i], loadPack<float, kTogether>(from + i * kGroup));
                }
            }
        }
#pragma unroll
        for (int i = 0; i < kCount; ++i)
        {
            scale(keys[i], best[i], length[i]);
        }
    }

    //! Keys and destinations of one group. A source without length is equally far from all, even
    //! where its products are not 0: it has the first destination, where ``anywhere`` says so.
    __device__ __forceinline__ Candidates take(int group, bool anywhere) const
    {
        Candidates found{};
        if (first + group * kGroup >= sources)
        {
            return found;
        }
        float const* from = values + group * kGroup;
        int const* to = destinations + group * kGroup;
        auto best = loadPack<float, kTogether>(from);
        auto with = loadPack<int, kTogether>(to);
        auto const length = loadPack<float, kTogether>(inverse + group * kGroup);
#pragma unroll 1
        for (int split = 1; split < splits; ++split)
        {
            from += perSplit;
            to += perSplit;
            auto const value = loadPack<float, kTogether>(from);
            auto const other = loadPack<int, kTogether>(to);
#pragma unroll
            for (int j = 0; j < kTogether; ++j)
            {
                // Destinations ascend with the splits: the first of equals stays.
                bool const better = value.at[j] > best.at[j];
                best.at[j] = better ? value.at[j] : best.at[j];
                with.at[j] = better ? other.at[j] : with.at[j];
            }
        }
        scale(found.keys, best, length);
#pragma unroll
        for (int j = 0; j < kTogether; ++j)
        {
            found.destinations[j] = anywhere && length.at[j] == 0 ? 0 : with.at[j];
        }
        return found;
    }

private:
    //! Lengths beyond the end, as those of the padding: NaN.
    __device__ __forceinline__ static Scores nowhere()
    {
        Scores lengths;
#pragma unroll
        for (float& length : lengths.at)
        {
            length = noNumber();
        }
        return lengths;
    }

    __device__ __forceinline__ static void takeGreater(Scores& best, Scores const& other)
    {
#pragma unroll
        for (int j = 0; j < kTogether; ++j)
        {
            // No value is NaN, and zeroes of either sign give the same key.
            best.at[j] = max(best.at[j], other.at[j]);
        }
    }

    __device__ __forceinline__ static void scale(
        FourKeys& keys, Scores const& best, Scores const& length)
    {
#pragma unroll
        for (int j = 0; j < kTogether; ++j)
        {
            keys[j] = keyOf(__fmul_rn(best.at[j], length.at[j]));
        }
    }
};

//! Keys in registers, of up to kGroups groups.
template <int kThreads, int kGroups>
struct HeldKeys
{
    FourKeys keys[kGroups];

    __device__ __forceinline__ explicit HeldKeys(MatchedSources<kThreads> const& sources)
    {
        sources.takeKeys(keys, 0);
    }

    __device__ __forceinline__ void enter(Frame const& frame)
    {
#pragma unroll
        for (FourKeys& of : keys)
        {
#pragma unroll
            for (unsigned int& key : of)
            {
                key = frame(key);
            }
        }
    }

    //! Calls ``function`` with the keys of every group before ``last``.
    template <typename Function>
    __device__ __forceinline__ void each(int last, Function const& function) const
    {
#pragma unroll
        for (int group = 0; group < kGroups; ++group)
        {
            if (group < last)
            {
                function(keys[group]);
            }
        }
    }
};

//! Keys of any number of groups, made again from the matches for every call.
template <int kThreads>
struct HeldKeys<kThreads, 0>
{
    MatchedSources<kThreads> const& sources;
    Frame frame;

    __device__ __forceinline__ explicit HeldKeys(MatchedSources<kThreads> const& of)
        : sources{of}, frame{0, 0}
    {
    }

    __device__ __forceinline__ void enter(Frame const& entered)
    {
        frame = entered;
    }

    template <typename Function>
    __device__ __forceinline__ void each(int last, Function const& function) const
    {
#pragma unroll 1
        for (int group = 0; group < last; ++group)
        {
            FourKeys keys[1];
            sources.takeKeys(keys, group);
#pragma unroll
            for (unsigned int& key : keys[0])
            {
                key = frame(key);
            }
            function(keys[0]);
        }
    }
};

} // namespace segpp
