//! Half precision (IEEE 754 binary16) as bits, for compilers without a type for it.
#pragma once

#include <cstdint>
#include <cstring>

namespace segpp
{

//! The nearest half, ties to even; too large becomes infinity.
inline std::uint16_t halfFromFloat(float value)
{
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    auto const sign = static_cast<std::uint16_t>(bits >> 16U & 0x8000U);
    std::uint32_t const magnitude = bits & 0x7fffffffU;
    if (magnitude > 0x7f800000U)
    {
        return static_cast<std::uint16_t>(sign | 0x7e00U);
    }
    // 65520 and above: beyond the middle between the largest half and the next power of two.
    if (magnitude >= 0x477ff000U)
    {
        return static_cast<std::uint16_t>(sign | 0x7c00U);
    }
    if (magnitude < 0x38800000U)
    {
        // Below 2^-14 halves are multiples of 2^-24, as is the last place of 0.5 in float: adding
        // it makes the hardware round there.
        float positive = 0.0F;
        std::memcpy(&positive, &magnitude, sizeof positive);
        positive += 0.5F;
        std::memcpy(&bits, &positive, sizeof bits);
        return static_cast<std::uint16_t>(sign | (bits - 0x3f000000U));
    }
    std::uint32_t const even = magnitude >> 13U & 1U;
    return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0x0fffU + even) >> 13U));
}

//! The same number as float, exactly.
inline float floatFromHalf(std::uint16_t half)
{
    std::uint32_t const sign = static_cast<std::uint32_t>(half & 0x8000U) << 16U;
    std::uint32_t const rest = half & 0x7fffU;
    std::uint32_t bits = 0;
    float value = 0.0F;
    if (rest >= 0x7c00U)
    {
        bits = sign | 0x7f800000U | (rest & 0x3ffU) << 13U;
    }
    else if (rest >= 0x400U)
    {
        bits = sign | ((rest << 13U) + 0x38000000U);
    }
    else
    {
        value = static_cast<float>(rest) * 0x1p-24F;
        std::memcpy(&bits, &value, sizeof bits);
        bits |= sign;
    }
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

} // namespace segpp
