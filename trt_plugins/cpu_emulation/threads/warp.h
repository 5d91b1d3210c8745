//! Warps: 32 threads with consecutive linear indices that meet in shuffles, votes and tensor-core
//! instructions. Threads run alone between meetings, as on every chip since sm_70.
#pragma once

#include "block.h"

#include <cstdint>
#include <type_traits>

namespace cpu_emulation
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
    // From the end, where somebody is missing most often.
    for (auto other = static_cast<unsigned int>(count); other-- > 0;)
    {
        if ((mask >> other & 1U) && !threads[other].meeting.isSame(threads[lane()].meeting))
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

} // namespace cpu_emulation
