//! Barriers, shuffles, votes, matches and reductions under their CUDA names.
#pragma once

#include "warp.h"

inline void __syncthreads(CPU_EMULATION_HERE)
{
    cpu_emulation::meetBlock("__syncthreads", 0, {file, line});
}

inline int __syncthreads_count(int predicate, CPU_EMULATION_HERE)
{
    return cpu_emulation::meetBlock("__syncthreads_count", predicate != 0, {file, line});
}

inline int __syncthreads_or(int predicate, CPU_EMULATION_HERE)
{
    return cpu_emulation::meetBlock("__syncthreads_or", predicate != 0, {file, line}) != 0;
}

inline int __syncthreads_and(int predicate, CPU_EMULATION_HERE)
{
    return cpu_emulation::meetBlock("__syncthreads_and", predicate == 0, {file, line}) == 0;
}

inline void __syncwarp(unsigned int mask = 0xffffffffU, CPU_EMULATION_HERE)
{
    cpu_emulation::meetWarp(
        "__syncwarp", mask, nullptr, nullptr, {file, line}, [](cpu_emulation::Lanes) {});
}

template <typename T>
T __shfl_sync(unsigned int mask, T value, int source, int width = warpSize, CPU_EMULATION_HERE)
{
    // Each lane names a source of its own, so it travels with the value.
    struct Request
    {
        T value;
        unsigned int source;
    };
    unsigned int const segment = cpu_emulation::lane() & ~static_cast<unsigned int>(width - 1);
    Request const request{value, segment + (static_cast<unsigned int>(source) & (width - 1))};
    T result{};
    cpu_emulation::meetWarp(
        "__shfl_sync", mask, &request, &result, {file, line}, [&](cpu_emulation::Lanes lanes) {
            for (unsigned int lane = 0; lane < warpSize; ++lane)
            {
                if (lanes.has(lane))
                {
                    unsigned int const from = lanes.in<Request>(lane).source;
                    cpu_emulation::checked(from, lanes, {file, line});
                    lanes.out<T>(lane) = lanes.in<Request>(from).value;
                }
            }
        });
    return result;
}

template <typename T>
T __shfl_xor_sync(unsigned int mask, T value, int bits, int width = warpSize, CPU_EMULATION_HERE)
{
    return cpu_emulation::shuffle("__shfl_xor_sync", mask, value, {file, line},
        [=](unsigned int lane, cpu_emulation::Lanes lanes) {
            unsigned int const from = lane ^ static_cast<unsigned int>(bits);
            // Lanes of later segments are out of reach, those of earlier ones are not.
            bool const reached = from / width <= lane / width;
            return cpu_emulation::checked(reached ? from : lane, lanes, {file, line});
        });
}

template <typename T>
T __shfl_up_sync(
    unsigned int mask, T value, unsigned int delta, int width = warpSize, CPU_EMULATION_HERE)
{
    return cpu_emulation::shuffle("__shfl_up_sync", mask, value, {file, line},
        [=](unsigned int lane, cpu_emulation::Lanes lanes) {
            bool const reached = lane % width >= delta;
            return cpu_emulation::checked(reached ? lane - delta : lane, lanes, {file, line});
        });
}

template <typename T>
T __shfl_down_sync(
    unsigned int mask, T value, unsigned int delta, int width = warpSize, CPU_EMULATION_HERE)
{
    return cpu_emulation::shuffle("__shfl_down_sync", mask, value, {file, line},
        [=](unsigned int lane, cpu_emulation::Lanes lanes) {
            bool const reached = lane % width + delta < static_cast<unsigned int>(width);
            return cpu_emulation::checked(reached ? lane + delta : lane, lanes, {file, line});
        });
}

inline unsigned int __ballot_sync(unsigned int mask, int predicate, CPU_EMULATION_HERE)
{
    unsigned int const vote = predicate ? 1U << cpu_emulation::lane() : 0;
    return cpu_emulation::reduce("__ballot_sync", mask, vote, {file, line},
        [](unsigned int a, unsigned int b) { return a | b; });
}

inline int __any_sync(unsigned int mask, int predicate, CPU_EMULATION_HERE)
{
    int const vote = predicate != 0;
    return cpu_emulation::reduce(
        "__any_sync", mask, vote, {file, line}, [](int a, int b) { return a | b; });
}

inline int __all_sync(unsigned int mask, int predicate, CPU_EMULATION_HERE)
{
    int const vote = predicate != 0;
    return cpu_emulation::reduce(
        "__all_sync", mask, vote, {file, line}, [](int a, int b) { return a & b; });
}

template <typename T>
unsigned int __match_any_sync(unsigned int mask, T value, CPU_EMULATION_HERE)
{
    unsigned int result = 0;
    cpu_emulation::meetWarp(
        "__match_any_sync", mask, &value, &result, {file, line}, [](cpu_emulation::Lanes lanes) {
            for (unsigned int pair = 0; pair < warpSize * warpSize; ++pair)
            {
                unsigned int const lane = pair / warpSize;
                unsigned int const other = pair % warpSize;
                if (lanes.has(lane) && lanes.has(other)
                    && lanes.in<T>(lane) == lanes.in<T>(other))
                {
                    lanes.out<unsigned int>(lane) |= 1U << other;
                }
            }
        });
    return result;
}

template <typename T>
T __reduce_add_sync(unsigned int mask, T value, CPU_EMULATION_HERE)
{
    return cpu_emulation::reduce("__reduce_add_sync", mask, value, {file, line},
        [](T a, T b) { return static_cast<T>(a + b); });
}

template <typename T>
T __reduce_min_sync(unsigned int mask, T value, CPU_EMULATION_HERE)
{
    return cpu_emulation::reduce("__reduce_min_sync", mask, value, {file, line},
        [](T a, T b) { return b < a ? b : a; });
}

template <typename T>
T __reduce_max_sync(unsigned int mask, T value, CPU_EMULATION_HERE)
{
    return cpu_emulation::reduce("__reduce_max_sync", mask, value, {file, line},
        [](T a, T b) { return a < b ? b : a; });
}

template <typename T>
T __reduce_and_sync(unsigned int mask, T value, CPU_EMULATION_HERE)
{
    return cpu_emulation::reduce("__reduce_and_sync", mask, value, {file, line},
        [](T a, T b) { return a & b; });
}

template <typename T>
T __reduce_or_sync(unsigned int mask, T value, CPU_EMULATION_HERE)
{
    return cpu_emulation::reduce("__reduce_or_sync", mask, value, {file, line},
        [](T a, T b) { return a | b; });
}
