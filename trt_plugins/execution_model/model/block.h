//! One block of threads: who is ready, who waits where, and what stops it.
#pragma once

#include "fiber.h"
#include "vector_types.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

inline uint3 threadIdx{};
inline uint3 blockIdx{};
inline dim3 blockDim{};
inline dim3 gridDim{};
inline constexpr int warpSize = 32;

namespace execution_model
{

//! A place in the source.
struct Where
{
    char const* file;
    int line;

    bool operator==(Where const& other) const noexcept
    {
        return line == other.line && isSame(file, other.file);
    }

    static bool isSame(char const* a, char const* b) noexcept
    {
        return a == b || std::strcmp(a, b) == 0;
    }
};

// As parameters of their own: inside an initialiser they would name the line of the declaration.
#define EXECUTION_MODEL_HERE                                                                       \
    char const *file = __builtin_FILE(), int line = __builtin_LINE()

//! Where a thread waits for others, and what it brought along.
struct Meeting
{
    char const* name{nullptr};  // null while the thread does not wait
    Where where{};
    unsigned int mask{0};  // lanes of the warp; 0 for the whole block
    void const* in{nullptr};
    void* out{nullptr};

    bool isSame(Meeting const& other) const noexcept
    {
        return name && other.name && mask == other.mask && where == other.where
            && Where::isSame(name, other.name);
    }
};

//! A copy to shared memory that was issued and is not yet waited for.
struct Copy
{
    void* to;
    std::size_t bytes;
    unsigned char data[16];
    std::size_t group;
};

struct Thread
{
    Fiber fiber{};
    uint3 index{};
    Meeting meeting{};
    std::vector<Copy> copies{};
    std::size_t groups{0};  // commit groups closed so far
    bool finished{false};
};

//! All that the blocks share; launches run one after the other.
struct Machine
{
    Fiber scheduler{};
    std::vector<Thread> threads{};
    std::vector<std::byte*> stacks{};
    std::vector<std::size_t> ready{};
    std::size_t next{0};  // position in ready, in order
    std::size_t current{0};
    std::size_t unfinished{0};
    std::size_t atBarrier{0};
    Meeting barrier{};
    int votes{0};
    std::function<void()> kernel{};
    bool shuffled{false};
    std::mt19937_64 random{};
};

inline Machine machine{};

[[noreturn]] inline void fail() noexcept
{
    std::fflush(nullptr);
    std::abort();
}

inline void say(char const* text) noexcept
{
    std::fprintf(stderr, "execution model: %s\n", text);
}

inline void sayBlock() noexcept
{
    std::fprintf(stderr, "execution model: in block (%u, %u, %u) of (%u, %u, %u) threads\n",
        blockIdx.x, blockIdx.y, blockIdx.z, blockDim.x, blockDim.y, blockDim.z);
}

inline Thread& currentThread() noexcept
{
    return machine.threads[machine.current];
}

//! Stops the process: a kernel that did this is wrong on every device.
[[noreturn]] inline void refuse(char const* what, Where where) noexcept
{
    uint3 const thread = currentThread().index;
    std::fprintf(stderr, "execution model: %s\n  at %s:%d, thread (%u, %u, %u)\n", what, where.file,
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

inline void makeReady(std::size_t thread)
{
    machine.threads[thread].meeting.name = nullptr;
    machine.ready.push_back(thread);
}

//! Leaves the current thread until somebody makes it ready.
inline void pause() noexcept
{
    switchTo(currentThread().fiber, machine.scheduler);
}

//! After a meeting: under a shuffled order the last to come has no right to be the first to go.
inline void goOnAfterMeeting()
{
    if (machine.shuffled)
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

inline std::size_t takeReady()
{
    std::vector<std::size_t>& ready = machine.ready;
    if (machine.shuffled)
    {
        std::size_t const drawn = machine.random() % ready.size();
        std::swap(ready[drawn], ready.back());
        std::size_t const thread = ready.back();
        ready.pop_back();
        return thread;
    }
    std::size_t const thread = ready[machine.next++];
    if (machine.next == ready.size())
    {
        ready.clear();
        machine.next = 0;
    }
    return thread;
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
    machine.next = 0;
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
        machine.ready.push_back(thread);
    }
}

//! Runs all threads of the block to their end.
inline void runBlock()
{
    prepareThreads();
    while (machine.unfinished)
    {
        if (machine.ready.empty())
        {
            failForDivergence();
        }
        machine.current = takeReady();
        threadIdx = currentThread().index;
        switchTo(machine.scheduler, currentThread().fiber);
    }
}

} // namespace execution_model
