//! Which of two matches is better, whoever found it first.
#pragma once

#include "cuda_utils/warp.cuh"
#include "match_shape.cuh"

namespace segpp
{

//! Worse than everything; a source whose products are all NaN keeps it, and its destination.
__device__ __forceinline__ Match noMatch(int destination)
{
    return {__int_as_float(static_cast<int>(0xff800000U)), destination};
}

//! For destinations that come in ascending order: the first of equals stays.
__device__ __forceinline__ void takeLater(Match& best, float value, int destination)
{
    if (value > best.value)
    {
        best = {value, destination};
    }
}

//! For destinations in any order: of equals, the lowest.
__device__ __forceinline__ Match better(Match a, Match b)
{
    bool const second = b.value > a.value || (b.value == a.value && b.destination < a.destination);
    return second ? b : a;
}

//! The best of groups of ``kLanes`` neighbouring lanes, in every lane.
template <int kLanes>
__device__ __forceinline__ Match bestOfLanes(Match match)
{
#pragma unroll
    for (int step = kLanes / 2; step > 0; step /= 2)
    {
        Match other;
        other.value = __shfl_xor_sync(kAllLanes, match.value, step);
        other.destination = __shfl_xor_sync(kAllLanes, match.destination, step);
        match = better(match, other);
    }
    return match;
}

//! The tiles of destinations that a block walks over: its split, blockIdx.y of gridDim.y.
struct Tiles
{
    int first, last;
};

__device__ __forceinline__ Tiles tilesOfSplit(int destinations, int columns)
{
    int const tiles = (destinations + columns - 1) / columns;
    int const split = static_cast<int>(blockIdx.y);
    int const splits = static_cast<int>(gridDim.y);
    return {split * tiles / splits, (split + 1) * tiles / splits};
}

//! Where the matches of one split and image lie.
struct MatchRow
{
    float* values;
    int* destinations;

    __device__ __forceinline__ void put(int source, Match match) const
    {
        values[source] = match.value;
        destinations[source] = match.destination;
    }
};

//! Those of a block's split and image, blockIdx.z.
__device__ __forceinline__ MatchRow matchesOfBlock(MatchResults const& results, int padded)
{
    std::size_t const image = static_cast<std::size_t>(blockIdx.y) * gridDim.z + blockIdx.z;
    return {results.values + image * padded, results.destinations + image * padded};
}

} // namespace segpp
