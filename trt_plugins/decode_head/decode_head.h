//! SegppDecodeHead: logits from what each level adds to the fused map, without that map.
//!
//!     logits[b, :, y, x] = W relu(first[b, :, y, x] + the bilinear values of second, third and
//!                                 fourth at (y, x)) + bias
//!
//! Shapes  first (B, D, h, w), second to fourth (B, D, h_i, w_i), weight (K, D), bias (K), logits
//!         (B, K, h, w): row-major, all of one type.
//! Work    FP16 and BF16 on sm_80 and later, D a multiple of 16, no level finer than the first: a
//!         block owns 8 or 4 rows of 32 pixels and goes through the channels, 16 at a time.
//!         Down the tile's rows the deeper levels are interpolated once per column of theirs; along
//!         a row every thread interpolates just what is its part of an operand of the tensor cores.
//!         So every map is read once, but for the edges of tiles, and the fused map exists in
//!         registers alone. Classes beyond 152 go to further blocks, which read the maps again.
//!         Anything else: a thread owns a pixel, reads twelve values of the deeper levels for every
//!         channel, and blocks take 32 classes each.
//! Exact   Sums are FP32 in both. The tensor cores multiply what has been rounded to the maps'
//!         type, as the operators one by one do; the other kernel rounds nothing but the result.
//! Needs   What isValid() says: sizes from 1, batch and K at most 65535, D * h * w of every level,
//!         K * h * w and K * D < 2^31.
//! Weak    In FP16 a fused value beyond 65504 is infinite, as in the operators one by one.
//! Twin    decode_head_reference() in src/segpp/ops, up to rounding.
#pragma once

#include "cuda_utils/element_type.h"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace segpp
{

constexpr int kHeadLevels = 4;

struct DecodeHeadShape
{
    std::int32_t batch, channels, classes;
    //! Of each level, the first's being those of the logits.
    std::int32_t height[kHeadLevels], width[kHeadLevels];
    //! Corner pixels lie on corner values; otherwise centres are at half pixels.
    bool align_corners = false;
};

//! What the kernels read: maps (B, D, h_i, w_i), weight (K, D), bias (K).
struct DecodeHeadInputs
{
    void const* levels[kHeadLevels];
    void const* weight;
    void const* bias;
};

//! Whether the kernels take the shape; the launch says so too.
bool decodeHeadIsValid(DecodeHeadShape const& shape) noexcept;

//! Logits (B, K, h, w), without scratch memory.
cudaError_t decodeHead(DecodeHeadShape const& shape, ElementType type,
    DecodeHeadInputs const& inputs, void* logits, cudaStream_t stream) noexcept;

} // namespace segpp
