//! CUDA's execution model, emulated on the CPU: stands where the toolkit's header of this name
//! stands, so that a host compiler builds the same .cu files. See README.md of the folder above.
#pragma once

#if defined(__CUDACC__)
#error "this folder replaces the CUDA toolkit for a host compiler; nvcc must not see it"
#endif

#include "support/keywords.h"

#include "math/math.h"
#include "math/tensor_core.h"
#include "math/vector_types.h"
#include "memory/async_copy.h"
#include "memory/memory.h"
#include "memory/shared_memory.h"
#include "support/api.h"
#include "threads/block.h"
#include "threads/launch.h"
#include "threads/warp_instructions.h"
