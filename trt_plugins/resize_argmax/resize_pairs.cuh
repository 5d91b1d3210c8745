//! Two logits side by side: in one register where they are halves, and one instruction for both.
#pragma once

#include "cuda_utils/element.cuh"
#include "cuda_utils/warp.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace segpp::resize
{

//! Of the type whose values fit a register only alone.
template <typename T>
struct Pair
{
    float low, high;
};

template <>
struct Pair<__half>
{
    __half2 both;
};

// Before sm_80 there is no arithmetic of two.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
template <>
struct Pair<__nv_bfloat16>
{
    __nv_bfloat162 both;
};
#endif

template <typename T>
__device__ inline Pair<T> pairOf(T low, T high)
{
    return {toFloat(low), toFloat(high)};
}
template <typename T>
__device__ inline Pair<T> lower(Pair<T> a, Pair<T> b)
{
    return {fminf(a.low, b.low), fminf(a.high, b.high)};
}
template <typename T>
__device__ inline Pair<T> higher(Pair<T> a, Pair<T> b)
{
    return {fmaxf(a.low, b.low), fmaxf(a.high, b.high)};
}
//! ``kept``, or NaN where the value is not finite.
template <typename T>
__device__ inline Pair<T> spoiled(Pair<T> kept, Pair<T> value)
{
    return {fmaf(value.low, 0.0F, kept.low), fmaf(value.high, 0.0F, kept.high)};
}
template <typename T>
__device__ inline Pair<T> sum(Pair<T> a, Pair<T> b)
{
    return {a.low + b.low, a.high + b.high};
}
template <typename T>
__device__ inline float sumOfBoth(Pair<T> pair)
{
    return pair.low + pair.high;
}
//! 0xffff in the half of a value that is not below the threshold, or where either is NaN.
template <typename T>
__device__ inline unsigned notBelow(Pair<T> value, Pair<T> threshold)
{
    unsigned const low = value.low < threshold.low ? 0U : 0xffffU;
    unsigned const high = value.high < threshold.high ? 0U : 0xffff0000U;
    return low | high;
}
template <typename T>
__device__ inline Pair<T> ofNextLane(Pair<T> pair)
{
    return {__shfl_down_sync(kAllLanes, pair.low, 1), __shfl_down_sync(kAllLanes, pair.high, 1)};
}

// The same for both kinds of halves.
#define SEGPP_PAIR_OF(T, join, number)                                                             \
    __device__ inline Pair<T> pairOf(T low, T high) { return {join(low, high)}; }                  \
    __device__ inline Pair<T> lower(Pair<T> a, Pair<T> b) { return {__hmin2(a.both, b.both)}; }    \
    __device__ inline Pair<T> higher(Pair<T> a, Pair<T> b) { return {__hmax2(a.both, b.both)}; }   \
    __device__ inline Pair<T> spoiled(Pair<T> kept, Pair<T> value)                                 \
    {                                                                                              \
        T const zero = fromFloat<T>(0.0F);                                                         \
        return {__hfma2(value.both, join(zero, zero), kept.both)};                                 \
    }                                                                                              \
    __device__ inline Pair<T> sum(Pair<T> a, Pair<T> b) { return {__hadd2(a.both, b.both)}; }      \
    __device__ inline float sumOfBoth(Pair<T> pair)                                                \
    {                                                                                              \
        return number(pair.both.x) + number(pair.both.y);                                          \
    }                                                                                              \
    __device__ inline unsigned notBelow(Pair<T> value, Pair<T> threshold)                          \
    {                                                                                              \
        return __hgeu2_mask(value.both, threshold.both);                                           \
    }                                                                                              \
    __device__ inline Pair<T> ofNextLane(Pair<T> pair)                                             \
    {                                                                                              \
        unsigned bits;                                                                             \
        memcpy(&bits, &pair, sizeof(bits));                                                        \
        bits = __shfl_down_sync(kAllLanes, bits, 1);                                               \
        memcpy(&pair, &bits, sizeof(bits));                                                        \
        return pair;                                                                               \
    }

SEGPP_PAIR_OF(__half, __halves2half2, __half2float)
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
SEGPP_PAIR_OF(__nv_bfloat16, __halves2bfloat162, __bfloat162float)
#endif
#undef SEGPP_PAIR_OF

} // namespace segpp::resize
