//! SegppTokenUnmerge: every token takes the row of its slot, a gather that no arithmetic touches.
//!
//!     x[b, n, :] = y[b, slot[b, n], :]
//!
//! Shapes  y (B, M, C), slot (B, N) int32, x (B, N, C): row-major.
//! Work    A thread owns one column of a row, as wide as alignment allows (16 bytes when it can),
//!         in four rows: four gathers are under way before the first store. Stores stream, so that
//!         y, which is read again and again, stays in the second-level cache.
//! Exact   A copy of bits.
//! Needs   N * C and M * C < 2^31. Nothing of C or of the pointers; 16-byte rows and pointers for
//!         full speed.
//! Weak    A slot outside 0 to M - 1 is nobody's: its token becomes zero, nothing is read.
//! Twin    unmerge_reference() in src/segpp/ops, to the bit.
#pragma once

#include "cuda_utils/element_type.h"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace segpp
{

struct TokenUnmergeShape
{
    std::int32_t batch, tokens, channels, slots;
};

//! y (B, M, C) and slots (B, N) to x (B, N, C).
cudaError_t tokenUnmerge(TokenUnmergeShape const& shape, ElementType type, void const* y,
    std::int32_t const* slot, void* x, cudaStream_t stream) noexcept;

} // namespace segpp
