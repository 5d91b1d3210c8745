//! Which of two matches is better, whoever found it first.
#pragma once

#include "match_shape.cuh"
#include "warp.cuh"

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

} // namespace segpp
