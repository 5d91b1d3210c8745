//! Rows in words of 16 bytes where alignment allows, and in single elements elsewhere.
#pragma once

#include "element.cuh"

#include <cstdint>
#include <cstring>

namespace segpp
{

//! ``kCount`` elements that travel in one load.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack
{
    T at[kCount];
};

//! Elements in 16 bytes.
template <typename T>
constexpr int kWide = 16 / static_cast<int>(sizeof(T));

//! Loads a pack through the read-only cache, in one instruction.
template <typename T, int kCount>
__device__ __forceinline__ Pack<T, kCount> loadPack(T const* address)
{
    Pack<T, kCount> pack;
    if constexpr (sizeof(pack) == 16)
    {
        auto const word = __ldg(reinterpret_cast<uint4 const*>(address));
        memcpy(&pack, &word, sizeof(pack));
    }
    else
    {
        pack.at[0] = address[0];
    }
    return pack;
}

template <typename T, int kCount>
__device__ __forceinline__ void storePack(T* address, Pack<T, kCount> const& pack)
{
    if constexpr (sizeof(pack) == 16)
    {
        uint4 word;
        memcpy(&word, &pack, sizeof(pack));
        *reinterpret_cast<uint4*>(address) = word;
    }
    else
    {
        address[0] = pack.at[0];
    }
}

inline bool isAligned16(void const* address) noexcept
{
    return reinterpret_cast<std::uintptr_t>(address) % 16 == 0;
}

} // namespace segpp
