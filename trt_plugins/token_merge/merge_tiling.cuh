//! How merging is cut into blocks, windows and loads.
#pragma once

#include "cuda_utils/vector.cuh"
#include "cuda_utils/warp.cuh"

#include <cstdint>

namespace segpp::merge
{

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
// Blocks of a multiprocessor that registers must suffice for; from sm_100 on two would spill.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int kBlocks = 1;
#else
constexpr int kBlocks = 2;
#endif

// A member is its token in the window and its row in the block, together 16 bits.
using Member = std::uint16_t;
constexpr int kWindow = 8192;  // tokens that a block looks at in one go
constexpr int kMostRows = 8;   // slots of a block, one for each warp to sort out
static_assert(kWindow * kMostRows == 1 << 16 && kMostRows <= kWarps);
static_assert(kWindow == kThreads * kWarp);  // so that a thread holds the bits of 32 tokens

constexpr int kLooks = 16;     // slots that a thread has on their way while it looks for members
constexpr int kInFlight = 8;   // rows that it has on their way while it adds
constexpr int kCopies = 4;     // rows that a warp copies at a time
constexpr int kGroup = 32;     // members that are summed in one go, GROUP in ops/reference.py
constexpr int kShared = 64;    // members beyond which a slot is worth the whole block
constexpr int kMostTokens = (1 << 26) - 1;  // rounds of windows stay countable

//! Threads for each pack of a row: as many rows can be added at the same time.
__host__ __device__ constexpr int groupsFor(int packs)
{
    return packs < kThreads ? kThreads / packs : 1;
}

} // namespace segpp::merge
