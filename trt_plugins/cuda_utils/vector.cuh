//! Rows in words of 16 bytes where alignment allows, and in single elements elsewhere.
#pragma once

#include "element.cuh"

#include <cstdint>
#include <cstring>
#include <type_traits>

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

//! What a pack is while it waits in registers: of elements that may not have been loaded nvcc
//! would choose one by one.
template <typename T, int kCount>
using Word = std::conditional_t<sizeof(Pack<T, kCount>) == 16, uint4, T>;

//! Loads a pack as a word, through the read-only cache, in one instruction.
template <typename T, int kCount>
__device__ __forceinline__ Word<T, kCount> loadWord(T const* address)
{
    if constexpr (sizeof(Word<T, kCount>) == 16)
    {
        return __ldg(reinterpret_cast<uint4 const*>(address));
    }
    else
    {
        return address[0];
    }
}

template <typename T, int kCount>
__device__ __forceinline__ Pack<T, kCount> packOfWord(Word<T, kCount> const& word)
{
    Pack<T, kCount> pack;
    memcpy(&pack, &word, sizeof(pack));
    return pack;
}

//! Loads a pack through the read-only cache, in one instruction.
template <typename T, int kCount>
__device__ __forceinline__ Pack<T, kCount> loadPack(T const* address)
{
    return packOfWord<T, kCount>(loadWord<T, kCount>(address));
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
