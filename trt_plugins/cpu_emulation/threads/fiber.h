//! Fibers: stacks of our own, switched by hand, so that a thousand threads of a block cost no
//! system calls and AddressSanitizer knows on which stack it is.
#pragma once

#include <cstddef>
#include <cstdint>

#include <sys/mman.h>

#if !defined(__x86_64__) && !defined(CPU_EMULATION_UCONTEXT)
#define CPU_EMULATION_UCONTEXT
#endif
#if defined(CPU_EMULATION_UCONTEXT)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cpu_emulation
{

//! A stack and where it was left. The scheduler's own has no memory of ours.
struct Fiber
{
    std::byte* stack{nullptr};
    std::size_t size{0};
#if defined(CPU_EMULATION_UCONTEXT)
    ucontext_t context{};
#else
    void* top{nullptr};
#endif
    void* fakeStack{nullptr};
};

//! Enough for a report of AddressSanitizer, which is written on the stack that failed; pages that
//! nobody touches cost nothing.
constexpr std::size_t kStackBytes = 256 * 1024;
constexpr std::size_t kGuardBytes = 4096;
constexpr std::size_t kOutermostBytes = 4096;

inline std::byte* newStack() noexcept
{
    int const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* memory = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED)
    {
        return nullptr;
    }
    // Stacks grow down, into this page: an overflow stops instead of running into a neighbour.
    mprotect(memory, kGuardBytes, PROT_NONE);
    return static_cast<std::byte*>(memory);
}

#if !defined(CPU_EMULATION_UCONTEXT)
//! Saves the registers that a call preserves and the stack in ``*from``, then continues at ``to``.
__attribute__((naked, noinline)) inline void switchStacks(
    [[maybe_unused]] void** from, [[maybe_unused]] void* to) noexcept
{
    asm volatile(
        "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
        "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
        "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n");
}
#endif

//! Makes the fiber start ``entry`` on an empty stack when it is next continued.
inline void prepare(Fiber& fiber, void (*entry)()) noexcept
{
#if defined(__SANITIZE_ADDRESS__)
    // The last function that ran here never returned, so its red zones are still poisoned; it was
    // the outermost, so they are at the very top.
    __asan_unpoison_memory_region(fiber.stack + fiber.size - kOutermostBytes, kOutermostBytes);
#endif
    fiber.fakeStack = nullptr;
#if defined(CPU_EMULATION_UCONTEXT)
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = fiber.size;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, entry, 0);
#else
    auto* top = reinterpret_cast<void**>(fiber.stack + fiber.size);
    *--top = nullptr;  // where a return address would be: aligns the stack as after a call
    *--top = reinterpret_cast<void*>(entry);
    for (int saved = 0; saved < 6; ++saved)
    {
        *--top = nullptr;
    }
    fiber.top = top;
#endif
}

//! Leaves ``from`` and continues ``to``; returns when somebody continues ``from``. A fiber that is
//! ``leaving`` for good never returns.
inline void switchTo(Fiber& from, Fiber& to, [[maybe_unused]] bool leaving = false) noexcept
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(leaving ? nullptr : &from.fakeStack, to.stack, to.size);
#endif
#if defined(CPU_EMULATION_UCONTEXT)
    swapcontext(&from.context, &to.context);
#else
    switchStacks(&from.top, to.top);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(from.fakeStack, nullptr, nullptr);
#endif
}

//! To be called first on a new stack; tells the fiber that started it where its own stack is.
inline void arrive([[maybe_unused]] Fiber& starter) noexcept
{
#if defined(__SANITIZE_ADDRESS__)
    void const* stack{nullptr};
    __sanitizer_finish_switch_fiber(nullptr, &stack, &starter.size);
    starter.stack = static_cast<std::byte*>(const_cast<void*>(stack));
#endif
}

} // namespace cpu_emulation
