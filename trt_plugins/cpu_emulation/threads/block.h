//! How a block runs: its threads take turns until each waits or has returned.
#pragma once

#include "support/report.h"

namespace cpu_emulation
{

inline void makeReady(std::size_t thread)
{
    machine.threads[thread].meeting.name = nullptr;
    machine.ready.add(thread);
}

//! Leaves the current thread until somebody makes it ready.
inline void pause() noexcept
{
    switchTo(currentThread().fiber, machine.scheduler);
}

//! After a meeting: under a shuffled order the last to come has no right to be the first to go.
inline void goOnAfterMeeting()
{
    if (machine.ready.isShuffled())
    {
        makeReady(machine.current);
        pause();
    }
}

//! Waits until every thread of the block is here; returns the sum of their votes.
inline int meetBlock(char const* name, int vote, Where where)
{
    Meeting& barrier = machine.barrier;
    if (machine.atBarrier && !barrier.isSame({name, where}))
    {
        std::fprintf(stderr, "  %zu threads wait in %s at %s:%d\n", machine.atBarrier, barrier.name,
            barrier.where.file, barrier.where.line);
        refuse("threads of a block came to different barriers", where);
    }
    Thread& self = currentThread();
    int sum = 0;
    self.meeting = barrier = {name, where, 0, nullptr, &sum};
    machine.votes += vote;
    if (++machine.atBarrier < machine.threads.size())
    {
        pause();
        return sum;
    }
    ++counts.barriers;
    int const votes = machine.votes;
    machine.atBarrier = 0;
    machine.votes = 0;
    for (std::size_t thread = 0; thread < machine.threads.size(); ++thread)
    {
        if (thread != machine.current)
        {
            *static_cast<int*>(machine.threads[thread].meeting.out) = votes;
            makeReady(thread);
        }
    }
    self.meeting.name = nullptr;
    goOnAfterMeeting();
    return votes;
}

//! Where a thread starts and ends.
inline void threadMain() noexcept
{
    arrive(machine.scheduler);
    machine.kernel();
    Thread& self = currentThread();
    if (!self.copies.empty())
    {
        refuse("a thread returned with asynchronous copies that nobody waited for",
            {"the end of the kernel", 0});
    }
    self.finished = true;
    --machine.unfinished;
    switchTo(self.fiber, machine.scheduler, true);
}

//! Gives the block its threads, each on a fresh stack and ready.
inline void prepareThreads()
{
    std::size_t const count = std::size_t{blockDim.x} * blockDim.y * blockDim.z;
    while (machine.stacks.size() < count)
    {
        machine.stacks.push_back(newStack());
        if (!machine.stacks.back())
        {
            say("no memory for another stack");
            fail();
        }
    }
    machine.threads.resize(count);
    machine.ready.clear();
    machine.atBarrier = 0;
    machine.unfinished = count;
    for (std::size_t thread = 0; thread < count; ++thread)
    {
        Thread& self = machine.threads[thread];
        self.fiber.stack = machine.stacks[thread];
        self.fiber.size = kStackBytes;
        self.index = {static_cast<unsigned int>(thread % blockDim.x),
            static_cast<unsigned int>(thread / blockDim.x % blockDim.y),
            static_cast<unsigned int>(thread / blockDim.x / blockDim.y)};
        self.meeting = {};
        self.groups = 0;
        self.finished = false;
        prepare(self.fiber, threadMain);
        machine.ready.add(thread);
    }
}

//! Runs all threads of the block to their end.
inline void runBlock()
{
    ++counts.blocks;
    prepareThreads();
    while (machine.unfinished)
    {
        if (machine.ready.isEmpty())
        {
            failForDivergence();
        }
        machine.current = machine.ready.take();
        threadIdx = currentThread().index;
        switchTo(machine.scheduler, currentThread().fiber);
    }
}

} // namespace cpu_emulation
