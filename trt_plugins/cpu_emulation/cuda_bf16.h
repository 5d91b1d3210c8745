//! bfloat16: the upper half of an FP32, rounded to nearest even.
#pragma once

#include "math/math.h"
#include "math/vector_types.h"
#include "support/keywords.h"

struct __nv_bfloat16
{
    std::uint16_t bits;

    __nv_bfloat16() = default;
    // Explicit, unlike the toolkit's: an unseen conversion in a kernel is a mistake.
    explicit __nv_bfloat16(float value) noexcept;
    explicit operator float() const noexcept;
};

struct alignas(4) __nv_bfloat162
{
    __nv_bfloat16 x, y;
};

inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) noexcept
{
    __nv_bfloat16 value;
    value.bits = bits;
    return value;
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) noexcept
{
    return value.bits;
}
inline float __bfloat162float(__nv_bfloat16 value) noexcept
{
    return __uint_as_float(std::uint32_t{value.bits} << 16);
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) noexcept
{
    if (std::isnan(value))
    {
        return __ushort_as_bfloat16(0x7fff);
    }
    std::uint32_t const bits = __float_as_uint(value);
    return __ushort_as_bfloat16(
        static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16));
}
inline __nv_bfloat16 __float2bfloat16(float value) noexcept
{
    return __float2bfloat16_rn(value);
}
inline __nv_bfloat16::__nv_bfloat16(float value) noexcept : bits{__float2bfloat16_rn(value).bits} {}
inline __nv_bfloat16::operator float() const noexcept
{
    return __bfloat162float(*this);
}
inline float2 __bfloat1622float2(__nv_bfloat162 value) noexcept
{
    return {__bfloat162float(value.x), __bfloat162float(value.y)};
}
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) noexcept
{
    return {__float2bfloat16_rn(x), __float2bfloat16_rn(y)};
}
