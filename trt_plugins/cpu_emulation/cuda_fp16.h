//! half and half2: conversions round to nearest even, comparisons go through FP32, which is exact.
#pragma once

#include "math/math.h"
#include "math/vector_types.h"
#include "support/keywords.h"

struct __half
{
    std::uint16_t bits;

    __half() = default;
    // Explicit, unlike the toolkit's: an unseen conversion in a kernel is a mistake.
    explicit __half(float value) noexcept;
    explicit operator float() const noexcept;
};

using half = __half;

struct alignas(4) __half2
{
    __half x, y;
};

using half2 = __half2;

inline float __half2float(__half value) noexcept
{
    std::uint32_t const sign = (value.bits & 0x8000U) << 16;
    std::uint32_t const exponent = value.bits >> 10 & 0x1fU;
    std::uint32_t const fraction = value.bits & 0x3ffU;
    if (exponent == 0x1f)
    {
        return __uint_as_float(sign | 0x7f800000U | fraction << 13);
    }
    if (exponent == 0)
    {
        float const magnitude = static_cast<float>(fraction) * 0x1p-24F;
        return sign ? -magnitude : magnitude;
    }
    return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
}

inline __half __ushort_as_half(unsigned short bits) noexcept
{
    __half value;
    value.bits = bits;
    return value;
}

inline unsigned short __half_as_ushort(__half value) noexcept
{
    return value.bits;
}

inline __half __float2half_rn(float value) noexcept
{
    std::uint32_t const bits = __float_as_uint(value);
    auto const sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000U);
    float const magnitude = std::fabs(value);
    if (std::isnan(value))
    {
        return __ushort_as_half(0x7fff);
    }
    // Adding a power of two whose last bit is worth a last bit of the result rounds to it, to even.
    if (magnitude < 0x1p-14F)
    {
        float const rounded = magnitude + 0x1p-1F;
        return __ushort_as_half(
            static_cast<std::uint16_t>(sign | (__float_as_uint(rounded) & 0x7ffU)));
    }
    if (magnitude >= 65520.0F)
    {
        return __ushort_as_half(static_cast<std::uint16_t>(sign | 0x7c00U));
    }
    std::uint32_t const even = (bits >> 13 & 1U) + 0xfffU;
    std::uint32_t const rounded = (bits & 0x7fffffffU) + even - (112U << 23);
    return __ushort_as_half(static_cast<std::uint16_t>(sign | rounded >> 13));
}

inline __half __float2half(float value) noexcept
{
    return __float2half_rn(value);
}
inline __half::__half(float value) noexcept : bits{__float2half_rn(value).bits} {}
inline __half::operator float() const noexcept
{
    return __half2float(*this);
}

inline __half2 __halves2half2(__half x, __half y) noexcept
{
    return {x, y};
}
inline __half2 __half2half2(__half value) noexcept
{
    return {value, value};
}
inline float2 __half22float2(__half2 value) noexcept
{
    return {__half2float(value.x), __half2float(value.y)};
}
inline __half2 __floats2half2_rn(float x, float y) noexcept
{
    return {__float2half_rn(x), __float2half_rn(y)};
}
inline __half2 __float22half2_rn(float2 value) noexcept
{
    return __floats2half2_rn(value.x, value.y);
}
inline __half __low2half(__half2 value) noexcept
{
    return value.x;
}
inline __half __high2half(__half2 value) noexcept
{
    return value.y;
}

inline bool __hgt(__half a, __half b) noexcept
{
    return __half2float(a) > __half2float(b);
}
inline bool __hge(__half a, __half b) noexcept
{
    return __half2float(a) >= __half2float(b);
}
// Of a NaN and a number, the number; -0 below +0.
inline __half __hmin(__half a, __half b) noexcept
{
    return std::isnan(__half2float(a)) || (__hgt(a, b) || (!__hgt(b, a) && b.bits >> 15)) ? b : a;
}
inline __half __hmax(__half a, __half b) noexcept
{
    return std::isnan(__half2float(a)) || (__hgt(b, a) || (!__hgt(a, b) && a.bits >> 15)) ? b : a;
}
inline __half2 __hmin2(__half2 a, __half2 b) noexcept
{
    return {__hmin(a.x, b.x), __hmin(a.y, b.y)};
}
inline __half2 __hmax2(__half2 a, __half2 b) noexcept
{
    return {__hmax(a.x, b.x), __hmax(a.y, b.y)};
}

inline __half __hadd(__half a, __half b) noexcept
{
    return __float2half_rn(cpu_emulation::roundedToOdd(double{__half2float(a)} + __half2float(b)));
}
inline __half __hfma(__half a, __half b, __half c) noexcept
{
    double const sum = std::fma(double{__half2float(a)}, __half2float(b), __half2float(c));
    return __float2half_rn(cpu_emulation::roundedToOdd(sum));
}
inline __half2 __hadd2(__half2 a, __half2 b) noexcept
{
    return {__hadd(a.x, b.x), __hadd(a.y, b.y)};
}
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) noexcept
{
    return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};
}
//! 0xffff in the half of a value that is not less, also where one is NaN.
inline unsigned int __hgeu2_mask(__half2 a, __half2 b) noexcept
{
    bool const low = __half2float(a.x) < __half2float(b.x);
    bool const high = __half2float(a.y) < __half2float(b.y);
    return (low ? 0U : 0xffffU) | (high ? 0U : 0xffff0000U);
}
