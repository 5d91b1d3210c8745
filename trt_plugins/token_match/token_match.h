//! SegppTokenMatch: bipartite soft matching on a grid (Bolya & Hoffman, 2023, arXiv:2303.17604).
//!
//!     slot[b, n] = where token n of image b goes: kept sources in raster order, then destinations
//!
//! Shapes  x (B, N, C), N = height x width; slot (B, N) int32, 0 to N - merged - 1: row-major.
//! Work    Three launches: the rows of the destinations side by side and their lengths; the best
//!         destination of each source; the sources that merge, and the slots. The matrix of
//!         similarities is never written: what passes between the launches beside the rows is 8
//!         bytes per source and split, and 4 per token.
//! Exact   Two runs give the same bits: nothing but counts is added up in an order of chance, and
//!         ties go to the lowest index. FP32 sums are added in another order than the oracle's, so
//!         scores closer than their rounding may trade places; of inputs whose sums are exact the
//!         slots are the oracle's.
//! Needs   At least one destination; 0 <= merged <= sources; B < 2^16, N < 2^30. Squared lengths
//!         finite in FP32; a source of NaN or infinity merges last, and no slot leaves its range.
//! Weak    Beyond 8,192 sources (queries of stage 1) the selection makes its keys anew for every
//!         eight bits of them. FP32, code for sm_75 (whatever the chip), C % 8 != 0 and an x that
//!         is not 16-byte aligned multiply without tensor cores.
//! Twin    match_reference() in src/segpp/ops.
#pragma once

#include "cuda_utils/element_type.h"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace segpp
{

constexpr std::int32_t kMostMatchTokens = (1 << 30) - 1;
constexpr std::int32_t kMostMatchImages = 65535;  // along an axis of the grid

struct TokenMatchShape
{
    std::int32_t batch, channels, height, width, stride_y, stride_x, merged, window;
};

//! Bytes of scratch memory that tokenMatch needs, 16-byte aligned: enough for smaller batches too.
std::size_t tokenMatchWorkspaceSize(TokenMatchShape const& shape, ElementType type) noexcept;

//! Raises the limits of dynamic shared memory; once per shape and device, never while enqueueing.
cudaError_t tokenMatchPrepare(TokenMatchShape const& shape, ElementType type) noexcept;

//! Tokens x (B, N, C) to slots (B, N).
cudaError_t tokenMatch(TokenMatchShape const& shape, ElementType type, void const* x,
    std::int32_t* slot, void* workspace, cudaStream_t stream) noexcept;

} // namespace segpp
