//! SegppResizeArgmax: labels at full resolution from logits at low resolution, without the logits
//! between.
//!
//!     labels[b, y, x] = argmax over k of the bilinear value of logits[b, k] at (y, x)
//!
//! Shapes  logits (B, K, h, w) and labels (B, H, W): row-major. Labels are INT8 up to 127 classes,
//!         INT32 beyond.
//!         One class is the logit of a sigmoid: label 1 where its value is above 0.
//! Work    H = s * h and W = s * w with s = 2, 4 or 8, 2 to 200 classes, corners not aligned and
//!         labels that are 16-byte aligned: a cell holds the s * s pixels between four logits, and
//!         a block has two rows of 30 cells. All values of a class in a cell lie between the lowest
//!         and the highest of its corners. So one pass over the classes, ten to a warp, two cells
//!         to an instruction, finds those that can win, and only they are interpolated. Often
//!         that is one class, and nothing is interpolated.
//!         Any other size: a thread owns a pixel and reads four logits of every class.
//! Exact   Both paths compute every value with the same roundings, columns before rows, each
//!         interpolation one product and one fused multiply-add. A class is left out only if it
//!         stays below another in the whole cell. Ties go to the lower class.
//! Needs   K * h * w < 2^31, H * W < 2^31.
//! Weak    Not-a-number never wins, and near one, or near an infinity, more classes are
//!         interpolated. In a cell whose classes are all alike, all are.
//! Twin    resize_argmax_reference() in src/segpp/ops, which fuses no multiply-add: labels differ
//!         only between classes that are closer than that rounding.
#pragma once

#include "cuda_utils/element_type.h"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace segpp
{

struct ResizeArgmaxShape
{
    std::int32_t batch, classes, height, width, out_height, out_width;
    //! Corner pixels lie on corner logits; otherwise centres are at half pixels.
    bool align_corners = false;
};

//! Logits (B, K, h, w) to labels (B, H, W): INT8 when K <= 127, INT32 otherwise.
cudaError_t resizeArgmax(ResizeArgmaxShape const& shape, ElementType type, void const* logits,
    void* labels, cudaStream_t stream) noexcept;

} // namespace segpp
