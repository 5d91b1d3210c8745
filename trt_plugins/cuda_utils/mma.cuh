//! Tensor cores: 16x16 by 16x8 products of half or bfloat16, summed in FP32 (sm_80 and later).
//!
//! Fragments, for lane l of a warp: a holds rows l / 4 and l / 4 + 8, columns 2 (l % 4) and the
//! next, and both again 8 columns later; b holds column l / 4 and the same four places along k; d
//! holds rows l / 4 and l / 4 + 8, columns 2 (l % 4) and the next.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace segpp
{

//! Loads four 8x8 matrices; lane 8 i + r names row r of matrix i, 16 bytes of shared memory.
__device__ __forceinline__ void loadMatrices(std::uint32_t (&fragment)[4], void const* row)
{
#if defined(SEGPP_CPU_EMULATION)
    cpu_emulation::loadMatrices(fragment, row, {__FILE__, __LINE__});
#elif __CUDA_ARCH__ >= 800
    auto const address = static_cast<unsigned int>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                 : "r"(address)
                 : "memory");
#endif
}

//! d += a x b; T says what the bits of a and b are.
template <typename T>
__device__ __forceinline__ void multiplyAdd(
    float (&d)[4], std::uint32_t const (&a)[4], std::uint32_t const (&b)[2]);

#if defined(SEGPP_CPU_EMULATION)
template <typename T>
void multiplyAdd(float (&d)[4], std::uint32_t const (&a)[4], std::uint32_t const (&b)[2])
{
    cpu_emulation::multiplyAdd<T>(d, a, b, {__FILE__, __LINE__});
}
#else
#if __CUDA_ARCH__ >= 800
#define SEGPP_MMA(type)                                                                            \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type                            \
                 ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"            \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                  \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#else
#define SEGPP_MMA(type)
#endif

template <>
__device__ __forceinline__ void multiplyAdd<__half>(
    float (&d)[4], std::uint32_t const (&a)[4], std::uint32_t const (&b)[2])
{
    SEGPP_MMA("f16");
}
template <>
__device__ __forceinline__ void multiplyAdd<__nv_bfloat16>(
    float (&d)[4], std::uint32_t const (&a)[4], std::uint32_t const (&b)[2])
{
    SEGPP_MMA("bf16");
}
#undef SEGPP_MMA
#endif

} // namespace segpp
