//! The state of a block: its threads, where each waits, and what its launch gave it.
#pragma once

#include "fiber.h"
#include "math/vector_types.h"
#include "order.h"
#include "support/counts.h"

#include <cstring>
#include <functional>
#include <vector>

inline uint3 threadIdx{};
inline uint3 blockIdx{};
inline dim3 blockDim{};
inline dim3 gridDim{};
inline constexpr int warpSize = 32;

namespace cpu_emulation
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
#define CPU_EMULATION_HERE                                                                         \
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
    ReadyThreads ready{};
    std::size_t current{0};
    std::size_t unfinished{0};
    std::size_t atBarrier{0};
    Meeting barrier{};
    int votes{0};
    std::function<void()> kernel{};
};

inline Machine machine{};

inline Thread& currentThread() noexcept
{
    return machine.threads[machine.current];
}

} // namespace cpu_emulation
