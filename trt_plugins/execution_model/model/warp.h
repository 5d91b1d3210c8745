//! Warps: 32 threads with consecutive linear indices that meet in shuffles, votes and tensor-core
//! instructions. Threads run alone between meetings, as on every chip since sm_70.
#pragma once

#include "block.h"

#include <cstdint>
#include <type_traits>

namespace execution_model
{

inline unsigned int lane() noexcept
{
    return static_cast<unsigned int>(machine.current % warpSize);
}

//! The lanes that meet, as the one that completes the meeting sees them.
struct Lanes
{
    Thread* threads;
    unsigned int mask;

    bool has(unsigned int lane) const noexcept
    {
        return mask >> lane & 1U;
    }
    template <typename T>
    T const& in(unsigned int lane) const noexcept
    {
        return *static_cast<T const*>(threads[lane].meeting.in);
    }
    template <typename T>
    T& out(unsigned int lane) const noexcept
    {
        return *static_cast<T*>(threads[lane].meeting.out);
    }
};

//! Waits until all lanes of ``mask`` are in this instruction at this place; the last one to come
//! calls ``complete(Lanes)``, which reads what each brought and writes what each takes away.
template <typename Complete>
void meetWarp(char const* name, unsigned int mask, void const* in, void* out, Where where,
    Complete const& complete)
{
    std::size_t const first = machine.current - lane();
    std::size_t const count = std::min<std::size_t>(warpSize, machine.threads.size() - first);
    if (!(mask >> lane() & 1U))
    {
        refuse("the mask of a warp instruction does not name the thread that runs it", where);
    }
    if (count < warpSize && mask >> count)
    {
        refuse("the mask of a warp instruction names lanes that do not exist", where);
    }
    Thread* const threads = &machine.threads[first];
    threads[lane()].meeting = {name, where, mask, in, out};
    for (unsigned int other = 0; other < count; ++other)
    {
        Meeting const& meeting = threads[other].meeting;
        bool const here = meeting.name && meeting.mask == mask && meeting.where == where
            && std::strcmp(meeting.name, name) == 0;
        if ((mask >> other & 1U) && !here)
        {
            pause();
            return;
        }
    }
    complete(Lanes{threads, mask});
    for (unsigned int other = 0; other < count; ++other)
    {
        if ((mask >> other & 1U) && other != lane())
        {
            makeReady(first + other);
        }
    }
    threads[lane()].meeting.name = nullptr;
    goOnAfterMeeting();
}

//! One value of ``source(lane)`` for each lane.
template <typename T, typename Source>
T shuffle(char const* name, unsigned int mask, T value, Where where, Source const& source)
{
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
    T result{};
    meetWarp(name, mask, &value, &result, where, [&](Lanes lanes) {
        for (unsigned int lane = 0; lane < warpSize; ++lane)
        {
            if (lanes.has(lane))
            {
                lanes.out<T>(lane) = lanes.in<T>(source(lane, lanes));
            }
        }
    });
    return result;
}

inline unsigned int checked(unsigned int source, Lanes lanes, Where where)
{
    if (!lanes.has(source))
    {
        refuse("a shuffle reads a lane that its mask does not name", where);
    }
    return source;
}

template <typename T, typename Combine>
T reduce(char const* name, unsigned int mask, T value, Where where, Combine const& combine)
{
    T result{};
    meetWarp(name, mask, &value, &result, where, [&](Lanes lanes) {
        bool first = true;
        T total{};
        for (unsigned int lane = 0; lane < warpSize; ++lane)
        {
            if (lanes.has(lane))
            {
                total = first ? lanes.in<T>(lane) : combine(total, lanes.in<T>(lane));
                first = false;
            }
        }
        for (unsigned int lane = 0; lane < warpSize; ++lane)
        {
            if (lanes.has(lane))
            {
                lanes.out<T>(lane) = total;
            }
        }
    });
    return result;
}

} // namespace execution_model

inline void __syncthreads(EXECUTION_MODEL_HERE)
{
    execution_model::meetBlock("__syncthreads", 0, where);
}

inline int __syncthreads_count(int predicate, EXECUTION_MODEL_HERE)
{
    return execution_model::meetBlock("__syncthreads_count", predicate != 0, where);
}

inline int __syncthreads_or(int predicate, EXECUTION_MODEL_HERE)
{
    return execution_model::meetBlock("__syncthreads_or", predicate != 0, where) != 0;
}

inline int __syncthreads_and(int predicate, EXECUTION_MODEL_HERE)
{
    return execution_model::meetBlock("__syncthreads_and", predicate == 0, where) == 0;
}

inline void __syncwarp(unsigned int mask = 0xffffffffU, EXECUTION_MODEL_HERE)
{
    execution_model::meetWarp(
        "__syncwarp", mask, nullptr, nullptr, where, [](execution_model::Lanes) {});
}

template <typename T>
T __shfl_sync(unsigned int mask, T value, int source, int width = warpSize, EXECUTION_MODEL_HERE)
{
    // Each lane names a source of its own, so it travels with the value.
    struct Request
    {
        T value;
        unsigned int source;
    };
    unsigned int const segment = execution_model::lane() & ~static_cast<unsigned int>(width - 1);
    Request const request{value, segment + (static_cast<unsigned int>(source) & (width - 1))};
    T result{};
    execution_model::meetWarp(
        "__shfl_sync", mask, &request, &result, where, [&](execution_model::Lanes lanes) {
            for (unsigned int lane = 0; lane < warpSize; ++lane)
            {
                if (lanes.has(lane))
                {
                    unsigned int const from = lanes.in<Request>(lane).source;
                    lanes.out<T>(lane)
                        = lanes.in<Request>(execution_model::checked(from, lanes, where)).value;
                }
            }
        });
    return result;
}

template <typename T>
T __shfl_xor_sync(unsigned int mask, T value, int bits, int width = warpSize, EXECUTION_MODEL_HERE)
{
    return execution_model::shuffle("__shfl_xor_sync", mask, value, where,
        [=](unsigned int lane, execution_model::Lanes lanes) {
            unsigned int const from = lane ^ static_cast<unsigned int>(bits);
            // Lanes of later segments are out of reach, those of earlier ones are not.
            bool const reached = from / width <= lane / width;
            return execution_model::checked(reached ? from : lane, lanes, where);
        });
}

template <typename T>
T __shfl_up_sync(
    unsigned int mask, T value, unsigned int delta, int width = warpSize, EXECUTION_MODEL_HERE)
{
    return execution_model::shuffle("__shfl_up_sync", mask, value, where,
        [=](unsigned int lane, execution_model::Lanes lanes) {
            bool const reached = lane % width >= delta;
            return execution_model::checked(reached ? lane - delta : lane, lanes, where);
        });
}

template <typename T>
T __shfl_down_sync(
    unsigned int mask, T value, unsigned int delta, int width = warpSize, EXECUTION_MODEL_HERE)
{
    return execution_model::shuffle("__shfl_down_sync", mask, value, where,
        [=](unsigned int lane, execution_model::Lanes lanes) {
            bool const reached = lane % width + delta < static_cast<unsigned int>(width);
            return execution_model::checked(reached ? lane + delta : lane, lanes, where);
        });
}

inline unsigned int __ballot_sync(unsigned int mask, int predicate, EXECUTION_MODEL_HERE)
{
    unsigned int const vote = predicate ? 1U << execution_model::lane() : 0;
    return execution_model::reduce("__ballot_sync", mask, vote, where,
        [](unsigned int a, unsigned int b) { return a | b; });
}

inline int __any_sync(unsigned int mask, int predicate, EXECUTION_MODEL_HERE)
{
    return execution_model::reduce("__any_sync", mask, static_cast<int>(predicate != 0), where,
        [](int a, int b) { return a | b; });
}

inline int __all_sync(unsigned int mask, int predicate, EXECUTION_MODEL_HERE)
{
    return execution_model::reduce("__all_sync", mask, static_cast<int>(predicate != 0), where,
        [](int a, int b) { return a & b; });
}

template <typename T>
unsigned int __match_any_sync(unsigned int mask, T value, EXECUTION_MODEL_HERE)
{
    unsigned int result = 0;
    execution_model::meetWarp(
        "__match_any_sync", mask, &value, &result, where, [](execution_model::Lanes lanes) {
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
T __reduce_add_sync(unsigned int mask, T value, EXECUTION_MODEL_HERE)
{
    return execution_model::reduce("__reduce_add_sync", mask, value, where,
        [](T a, T b) { return static_cast<T>(a + b); });
}

template <typename T>
T __reduce_min_sync(unsigned int mask, T value, EXECUTION_MODEL_HERE)
{
    return execution_model::reduce("__reduce_min_sync", mask, value, where,
        [](T a, T b) { return b < a ? b : a; });
}

template <typename T>
T __reduce_max_sync(unsigned int mask, T value, EXECUTION_MODEL_HERE)
{
    return execution_model::reduce("__reduce_max_sync", mask, value, where,
        [](T a, T b) { return a < b ? b : a; });
}

template <typename T>
T __reduce_and_sync(unsigned int mask, T value, EXECUTION_MODEL_HERE)
{
    return execution_model::reduce("__reduce_and_sync", mask, value, where,
        [](T a, T b) { return a & b; });
}

template <typename T>
T __reduce_or_sync(unsigned int mask, T value, EXECUTION_MODEL_HERE)
{
    return execution_model::reduce("__reduce_or_sync", mask, value, where,
        [](T a, T b) { return a | b; });
}
