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
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) noexcept
{
    return {x, y};
}

// Of a NaN and a number, the number; -0 below +0.
inline __nv_bfloat16 __hmin(__nv_bfloat16 a, __nv_bfloat16 b) noexcept
{
    float const x = __bfloat162float(a);
    float const y = __bfloat162float(b);
    return std::isnan(x) || x > y || (x == y && b.bits >> 15) ? b : a;
}
inline __nv_bfloat16 __hmax(__nv_bfloat16 a, __nv_bfloat16 b) noexcept
{
    float const x = __bfloat162float(a);
    float const y = __bfloat162float(b);
    return std::isnan(x) || x < y || (x == y && a.bits >> 15) ? b : a;
}
inline __nv_bfloat162 __hmin2(__nv_bfloat162 a, __nv_bfloat162 b) noexcept
{
    return {__hmin(a.x, b.x), __hmin(a.y, b.y)};
}
inline __nv_bfloat162 __hmax2(__nv_bfloat162 a, __nv_bfloat162 b) noexcept
{
    return {__hmax(a.x, b.x), __hmax(a.y, b.y)};
}

inline __nv_bfloat16 __hadd(__nv_bfloat16 a, __nv_bfloat16 b) noexcept
{
    return __float2bfloat16_rn(cpu_emulation::roundedToOdd(double{__bfloat162float(a)} + __bfloat162float(b)));
}
inline __nv_bfloat16 __hfma(__nv_bfloat16 a, __nv_bfloat16 b, __nv_bfloat16 c) noexcept
{
    double const sum = std::fma(double{__bfloat162float(a)}, __bfloat162float(b), __bfloat162float(c));
    return __float2bfloat16_rn(cpu_emulation::roundedToOdd(sum));
}
inline __nv_bfloat162 __hadd2(__nv_bfloat162 a, __nv_bfloat162 b) noexcept
{
    return {__hadd(a.x, b.x), __hadd(a.y, b.y)};
}
inline __nv_bfloat162 __hfma2(__nv_bfloat162 a, __nv_bfloat162 b, __nv_bfloat162 c) noexcept
{
    return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};
}
//! 0xffff in the half of a value that is not less, also where one is NaN.
inline unsigned int __hgeu2_mask(__nv_bfloat162 a, __nv_bfloat162 b) noexcept
{
    bool const low = __bfloat162float(a.x) < __bfloat162float(b.x);
    bool const high = __bfloat162float(a.y) < __bfloat162float(b.y);
    return (low ? 0U : 0xffffU) | (high ? 0U : 0xffff0000U);
}
