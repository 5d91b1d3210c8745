//! Loads and stores with cache hints, which are plain ones here, fences and atomics. One thread
//! runs at a time, so an atomic needs nothing; its order is the order of the threads.
#pragma once

#include <cstddef>
#include <cstring>

namespace cpu_emulation
{

//! Where set, told of every load by __ldg, by the thread that loads.
inline void (*onRead)(void const* address, std::size_t bytes) noexcept = nullptr;

} // namespace cpu_emulation

template <typename T>
T __ldg(T const* address) noexcept
{
    if (cpu_emulation::onRead)
    {
        cpu_emulation::onRead(address, sizeof(T));
    }
    return *address;
}
template <typename T>
T __ldcg(T const* address) noexcept
{
    return *address;
}
template <typename T>
T __ldca(T const* address) noexcept
{
    return *address;
}
template <typename T>
T __ldcs(T const* address) noexcept
{
    return *address;
}
template <typename T>
void __stcs(T* address, T value) noexcept
{
    *address = value;
}
template <typename T>
void __stcg(T* address, T value) noexcept
{
    *address = value;
}

inline void __threadfence() noexcept {}
inline void __threadfence_block() noexcept {}

template <typename T>
T atomicAdd(T* address, T value) noexcept
{
    T const old = *address;
    *address = static_cast<T>(old + value);
    return old;
}
template <typename T>
T atomicMax(T* address, T value) noexcept
{
    T const old = *address;
    *address = old < value ? value : old;
    return old;
}
template <typename T>
T atomicMin(T* address, T value) noexcept
{
    T const old = *address;
    *address = value < old ? value : old;
    return old;
}
template <typename T>
T atomicOr(T* address, T value) noexcept
{
    T const old = *address;
    *address = old | value;
    return old;
}
template <typename T>
T atomicExch(T* address, T value) noexcept
{
    T const old = *address;
    *address = value;
    return old;
}
template <typename T>
T atomicCAS(T* address, T expected, T value) noexcept
{
    T const old = *address;
    *address = old == expected ? value : old;
    return old;
}
