//! SegppTokenMerge: the mean of the rows that share a slot; the contract is in src/segpp/ops/__init__.py.
#pragma once

#include "cuda_utils/element_type.h"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace segpp
{

struct TokenMergeShape
{
    std::int32_t batch, tokens, channels, slots;
};

//! Bytes of scratch memory that tokenMerge needs.
std::size_t tokenMergeWorkspaceSize(TokenMergeShape const& shape, ElementType type) noexcept;

//! Tokens x (B, N, C) and slots (B, N) to y (B, M, C).
cudaError_t tokenMerge(TokenMergeShape const& shape, ElementType type, void const* x,
    std::int32_t const* slot, void* y, void* workspace, cudaStream_t stream) noexcept;

} // namespace segpp
