//! Asynchronous copies from global to shared memory (``cp.async``, sm_80 and later).
#pragma once

#include <cuda_runtime.h>

namespace segpp
{

//! Copies 16 bytes, or zeroes them where ``present`` is false; both addresses are 16-byte aligned.
//! Visible to this thread after the wait for its group, to others after a barrier behind that.
__device__ __forceinline__ void copyAsync16(void* to, void const* from, bool present)
{
#if defined(SEGPP_CPU_EMULATION)
    cpu_emulation::copyAsync<16>(to, from, present ? 16 : 0, {__FILE__, __LINE__});
#elif __CUDA_ARCH__ >= 800
    auto const target = static_cast<unsigned int>(__cvta_generic_to_shared(to));
    int const bytes = present ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(from),
        "r"(bytes)
        : "memory");
#endif
}

//! Closes a group: all copies of this thread since the last call.
__device__ __forceinline__ void commitCopies()
{
#if defined(SEGPP_CPU_EMULATION)
    cpu_emulation::commitCopies();
#elif __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

//! Waits for all groups of this thread but the ``kLeft`` newest.
template <int kLeft>
__device__ __forceinline__ void waitForCopies()
{
#if defined(SEGPP_CPU_EMULATION)
    cpu_emulation::waitForCopies(kLeft);
#elif __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#endif
}

} // namespace segpp
