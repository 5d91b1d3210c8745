//! SegppResizeArgmax: bilinear resize, then the best class; the contract is in src/segpp/ops/__init__.py.
#pragma once

#include "cuda_utils/element_type.h"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace segpp
{

struct ResizeArgmaxShape
{
    std::int32_t batch, classes, height, width, out_height, out_width;
};

//! Logits (B, K, h, w) to labels (B, H, W): INT8 when K <= 127, INT32 otherwise.
cudaError_t resizeArgmax(ResizeArgmaxShape const& shape, ElementType type, void const* logits,
    void* labels, cudaStream_t stream) noexcept;

} // namespace segpp
