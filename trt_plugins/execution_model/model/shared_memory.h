//! Shared memory: static arrays in a section of their own, one dynamic buffer per block, both full
//! of 0xff (NaN, -1) when a block starts.
#pragma once

#include "block.h"

#include <cstdint>

// Kernels with static arrays belong into an unnamed namespace: variables of functions that several
// files may define cannot share a section with others.
#define __shared__ static __attribute__((section("execution_model_shared")))

extern "C" __attribute__((weak, visibility("hidden"))) unsigned char
    __start_execution_model_shared[];
extern "C" __attribute__((weak, visibility("hidden"))) unsigned char
    __stop_execution_model_shared[];

namespace execution_model
{

struct DynamicShared
{
    unsigned char* start{nullptr};
    std::size_t bytes{0};
};

inline DynamicShared dynamicShared{};

//! Fills memory without asking AddressSanitizer: the section has its red zones in between.
__attribute__((no_sanitize_address, noinline)) inline void poison(
    unsigned char volatile* start, unsigned char volatile* stop) noexcept
{
    while (start != stop)
    {
        *start++ = 0xff;
    }
}

inline void poisonShared() noexcept
{
    poison(__start_execution_model_shared, __stop_execution_model_shared);
    poison(dynamicShared.start, dynamicShared.start + dynamicShared.bytes);
}

inline bool isShared(void const* address, std::size_t bytes) noexcept
{
    auto const* first = static_cast<unsigned char const*>(address);
    auto const inside = [&](unsigned char const* start, unsigned char const* stop) {
        return start && first >= start && first + bytes <= stop;
    };
    return inside(dynamicShared.start, dynamicShared.start + dynamicShared.bytes)
        || inside(__start_execution_model_shared, __stop_execution_model_shared);
}

}  // namespace execution_model
