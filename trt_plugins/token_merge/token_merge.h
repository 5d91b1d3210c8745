//! SegppTokenMerge: the mean of the tokens that share a slot.
//!
//!     y[b, m, :] = mean of x[b, n, :] over the tokens n with slot[b, n] = m; 0 if there are none
//!
//! Shapes  x (B, N, C), slot (B, N) int32, y (B, M, C): row-major.
//! Work    One launch, no lists in memory. The first `singles` slots have one token each: warps go
//!         over the tokens and copy those rows. A block owns up to eight of the other slots. It
//!         reads all slots of the image (they come from cache), 8,192 at a time, one bit for each;
//!         the bits become a list, every warp takes out the members of one slot, and a thread adds
//!         one column of them, as wide as alignment allows, with eight rows in flight. A slot with
//!         more than 64 members is shared by the whole block.
//! Exact   FP32 sums in the order that the oracle fixes: groups of 32 members in raster order, then
//!         the groups, from +0; divided by the count, rounded once. There are no atomics, and the
//!         order depends neither on the chip nor on how many slots a block owns.
//! Needs   N < 2^26, N * C and M * C < 2^31. Nothing of C or of the pointers; 16-byte rows and
//!         pointers for full speed.
//! Weak    A slot outside 0 to M - 1 is nobody's: its token is left out. Where the promise of
//!         `singles` is broken, those slots hold what happens to be copied, or nothing new.
//!         Reading the slots grows as N * (M - singles): beyond N = 12,000 lists in memory would
//!         be cheaper.
//! Twin    merge_reference() in src/segpp/ops, to the bit.
#pragma once

#include "cuda_utils/element_type.h"

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace segpp
{

constexpr std::int32_t kMostMergeTokens = (1 << 26) - 1;

struct TokenMergeShape
{
    std::int32_t batch, tokens, channels, slots;
    //! A promise: each of the first so many slots has one token. It changes no result.
    std::int32_t singles = 0;
};

//! Bytes of scratch memory that tokenMerge needs.
std::size_t tokenMergeWorkspaceSize(TokenMergeShape const& shape, ElementType type) noexcept;

//! Tokens x (B, N, C) and slots (B, N) to y (B, M, C).
cudaError_t tokenMerge(TokenMergeShape const& shape, ElementType type, void const* x,
    std::int32_t const* slot, void* y, void* workspace, cudaStream_t stream) noexcept;

} // namespace segpp
