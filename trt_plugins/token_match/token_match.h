//! SegppTokenMatch: bipartite soft matching on a grid; the contract is in src/segpp/ops/__init__.py.
#pragma once

#include "cuda_utils/element_type.h"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace segpp
{

struct TokenMatchShape
{
    std::int32_t batch, channels, height, width, stride_y, stride_x, merged, window;
};

//! Bytes of scratch memory that tokenMatch needs.
std::size_t tokenMatchWorkspaceSize(TokenMatchShape const& shape, ElementType type) noexcept;

//! Raises the limits of dynamic shared memory; once per shape and device, never while enqueueing.
cudaError_t tokenMatchPrepare(TokenMatchShape const& shape, ElementType type) noexcept;

//! Tokens x (B, N, C) to slots (B, N).
cudaError_t tokenMatch(TokenMatchShape const& shape, ElementType type, void const* x,
    std::int32_t* slot, void* workspace, cudaStream_t stream) noexcept;

} // namespace segpp
