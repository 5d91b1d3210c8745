//! What stops a block, and what it says: a kernel that gets here is wrong on every device.
#pragma once

#include "threads/thread.h"

#include <cstdio>
#include <cstdlib>

namespace cpu_emulation
{

[[noreturn]] inline void fail() noexcept
{
    std::fflush(nullptr);
    std::abort();
}

inline void say(char const* text) noexcept
{
    std::fprintf(stderr, "CPU emulation: %s\n", text);
}

inline void sayBlock() noexcept
{
    std::fprintf(stderr, "CPU emulation: in block (%u, %u, %u) of (%u, %u, %u) threads\n",
        blockIdx.x, blockIdx.y, blockIdx.z, blockDim.x, blockDim.y, blockDim.z);
}

//! Stops the process: a kernel that did this is wrong on every device.
[[noreturn]] inline void refuse(char const* what, Where where) noexcept
{
    uint3 const thread = currentThread().index;
    std::fprintf(stderr, "CPU emulation: %s\n  at %s:%d, thread (%u, %u, %u)\n", what, where.file,
        where.line, thread.x, thread.y, thread.z);
    sayBlock();
    fail();
}

//! Says who waits where; called when nobody can go on.
[[noreturn]] inline void failForDivergence() noexcept
{
    say("threads of a block wait for others that never come");
    sayBlock();
    std::vector<Meeting> seen;
    for (Thread const& thread : machine.threads)
    {
        Meeting const& meeting = thread.meeting;
        bool known = thread.finished;
        for (Meeting const& other : seen)
        {
            known = known || (meeting.where == other.where && meeting.mask == other.mask);
        }
        if (!known)
        {
            seen.push_back(meeting);
        }
    }
    for (Meeting const& meeting : seen)
    {
        std::size_t count = 0;
        uint3 first{};
        for (Thread const& thread : machine.threads)
        {
            Meeting const& other = thread.meeting;
            if (!thread.finished && other.where == meeting.where && other.mask == meeting.mask)
            {
                first = count++ ? first : thread.index;
            }
        }
        std::fprintf(stderr, "  %zu wait in %s at %s:%d (mask %08x), the first is (%u, %u, %u)\n",
            count, meeting.name, meeting.where.file, meeting.where.line, meeting.mask, first.x,
            first.y, first.z);
    }
    std::fprintf(stderr, "  %zu of %zu have returned\n",
        machine.threads.size() - machine.unfinished, machine.threads.size());
    fail();
}

} // namespace cpu_emulation
