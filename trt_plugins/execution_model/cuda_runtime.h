//! The CUDA execution model on the CPU: stands where the toolkit's header of this name stands, so
//! that a host compiler builds the same .cu files. See README.md of the folder above.
#pragma once

#if defined(__CUDACC__)
#error "this folder replaces the CUDA toolkit for a host compiler; nvcc must not see it"
#endif

#include "model/keywords.h"

#include "model/api.h"
#include "model/async_copy.h"
#include "model/block.h"
#include "model/launch.h"
#include "model/math.h"
#include "model/memory.h"
#include "model/shared_memory.h"
#include "model/tensor_core.h"
#include "model/vector_types.h"
#include "model/warp_instructions.h"
