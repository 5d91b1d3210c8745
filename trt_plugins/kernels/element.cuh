//! One element to FP32 and back, rounded once, to nearest even.
#pragma once

#include "element_type.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace segpp
{

__device__ __forceinline__ float toFloat(float value)
{
    return value;
}
__device__ __forceinline__ float toFloat(__half value)
{
    return __half2float(value);
}
__device__ __forceinline__ float toFloat(__nv_bfloat16 value)
{
    return __bfloat162float(value);
}

template <typename T>
__device__ __forceinline__ T fromFloat(float value);

template <>
__device__ __forceinline__ float fromFloat<float>(float value)
{
    return value;
}
template <>
__device__ __forceinline__ __half fromFloat<__half>(float value)
{
    return __float2half_rn(value);
}
template <>
__device__ __forceinline__ __nv_bfloat16 fromFloat<__nv_bfloat16>(float value)
{
    return __float2bfloat16_rn(value);
}

//! Calls ``function`` with a value of the element type; any other type is an invalid value.
template <typename Function>
cudaError_t withElement(ElementType type, Function const& function) noexcept
{
    switch (type)
    {
    case ElementType::kFloat32: return function(float{});
    case ElementType::kFloat16: return function(__half{});
    case ElementType::kBFloat16: return function(__nv_bfloat16{});
    }
    return cudaErrorInvalidValue;
}

}  // namespace segpp
