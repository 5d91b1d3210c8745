//! CUDA's keywords, which say nothing to a host compiler.
#pragma once

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

//! Lets the few helpers that hold PTX choose the software path.
#define SEGPP_CPU_EMULATION 1
