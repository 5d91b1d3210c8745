//! Arithmetic and bit intrinsics. FP32 follows IEEE; compile with -ffp-contract=off, so that
//! multiply-adds are fused only where the kernel says fmaf.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

using std::fabs;
using std::fmaf;
using std::isnan;
using std::sqrt;

namespace cpu_emulation
{

template <typename To, typename From>
To bitsAs(From from) noexcept
{
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof(to));
    return to;
}

//! The FP32 on the near side of zero, its last bit set if it is not the value itself: what is
//! rounded from that to fewer bits is as if it were rounded once.
inline float roundedToOdd(double value) noexcept
{
    auto const nearest = static_cast<float>(value);
    if (static_cast<double>(nearest) == value || std::isnan(value) || std::isinf(nearest))
    {
        return nearest;
    }
    auto const bits = bitsAs<std::uint32_t>(nearest);
    bool const beyond = std::fabs(static_cast<double>(nearest)) > std::fabs(value);
    return bitsAs<float>((bits - (beyond ? 1 : 0)) | 1U);
}

} // namespace cpu_emulation

inline unsigned int __float_as_uint(float value) noexcept
{
    return cpu_emulation::bitsAs<unsigned int>(value);
}
inline int __float_as_int(float value) noexcept
{
    return cpu_emulation::bitsAs<int>(value);
}
inline float __uint_as_float(unsigned int value) noexcept
{
    return cpu_emulation::bitsAs<float>(value);
}
inline float __int_as_float(int value) noexcept
{
    return cpu_emulation::bitsAs<float>(value);
}

inline float __fadd_rn(float a, float b) noexcept
{
    return a + b;
}
inline float __fsub_rn(float a, float b) noexcept
{
    return a - b;
}
inline float __fmul_rn(float a, float b) noexcept
{
    return a * b;
}
inline float __fmaf_rn(float a, float b, float c) noexcept
{
    return std::fmaf(a, b, c);
}
inline float __fdiv_rn(float a, float b) noexcept
{
    return a / b;
}
inline float __frcp_rn(float value) noexcept
{
    return __fdiv_rn(1.0F, value);
}
inline float __fsqrt_rn(float value) noexcept
{
    return std::sqrt(value);
}

inline int __popc(unsigned int value) noexcept
{
    return __builtin_popcount(value);
}
inline int __popcll(unsigned long long value) noexcept
{
    return __builtin_popcountll(value);
}
inline int __ffs(int value) noexcept
{
    return __builtin_ffs(value);
}
inline int __clz(int value) noexcept
{
    return value ? __builtin_clz(static_cast<unsigned int>(value)) : 32;
}
inline unsigned int __umulhi(unsigned int a, unsigned int b) noexcept
{
    return static_cast<unsigned int>(std::uint64_t{a} * b >> 32);
}
inline unsigned int __byte_perm(unsigned int low, unsigned int high, unsigned int selector) noexcept
{
    std::uint64_t const bytes = std::uint64_t{high} << 32 | low;
    unsigned int result = 0;
    for (unsigned int i = 0; i < 4; ++i)
    {
        unsigned int const choice = selector >> (4 * i) & 0xf;
        auto byte = static_cast<unsigned int>(bytes >> (8 * (choice & 7)) & 0xff);
        // The high bit of a choice repeats the sign of its byte.
        byte = choice & 8 ? (byte & 0x80 ? 0xff : 0) : byte;
        result |= byte << (8 * i);
    }
    return result;
}

#define CPU_EMULATION_MIN_MAX(type)                                                                \
    inline type min(type a, type b) noexcept { return b < a ? b : a; }                             \
    inline type max(type a, type b) noexcept { return a < b ? b : a; }

CPU_EMULATION_MIN_MAX(int)
CPU_EMULATION_MIN_MAX(unsigned int)
CPU_EMULATION_MIN_MAX(long)
CPU_EMULATION_MIN_MAX(unsigned long)
CPU_EMULATION_MIN_MAX(long long)
CPU_EMULATION_MIN_MAX(unsigned long long)
#undef CPU_EMULATION_MIN_MAX

// As the hardware: of a NaN and a number, the number.
inline float min(float a, float b) noexcept
{
    return std::fmin(a, b);
}
inline float max(float a, float b) noexcept
{
    return std::fmax(a, b);
}
