//! SegppTokenUnmerge: every token takes the row of its slot; the contract is in src/segpp/ops/__init__.py.
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
