//! SegppTokenUnmerge: every token takes the row of its slot, a gather that no arithmetic touches.
//! SegppTokenUnmergeAdd: the row is added to what the token was, without being written alone.
//!
//!     x[b, n, :] = y[b, slot[b, n], :]
//!     x[b, n, :] = residual[b, n, :] + y[b, slot[b, n], :]
//!
//! Shapes  y (B, M, C), slot (B, N) int32, residual and x (B, N, C): row-major.
//! Work    A thread owns one column of a row, as wide as alignment allows (16 bytes when it can),
//!         in four rows: four gathers are under way before the first store. Stores stream, so that
//!         y, which is read again and again, stays in the second-level cache.
//! Exact   A copy of bits; a sum in FP32, rounded once.
//! Needs   N * C and M * C < 2^31. Nothing of C or of the pointers; 16-byte rows and pointers for
//!         full speed.
//! Weak    A slot outside 0 to M - 1 is nobody's: its row is zero, nothing is read of y.
//! Twin    unmerge_reference() and unmerge_add_reference() in src/segpp/ops, to the bit.
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

//! y (B, M, C), slots (B, N) and residual (B, N, C), and x (B, N, C), which is none of them.
struct UnmergeAddBuffers
{
    void const* y;
    std::int32_t const* slot;
    void const* residual;
    void* x;
};

//! y (B, M, C), slots (B, N) and residual (B, N, C) to x (B, N, C).
cudaError_t tokenUnmergeAdd(TokenUnmergeShape const& shape, ElementType type,
    UnmergeAddBuffers const& buffers, cudaStream_t stream) noexcept;

} // namespace segpp
