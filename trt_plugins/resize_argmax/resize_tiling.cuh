//! How labels are cut into blocks, warps and loads.
#pragma once

#include "cuda_utils/element.cuh"
#include "cuda_utils/warp.cuh"

namespace segpp::resize
{

constexpr int kThreads = 256;   // of a block that goes by pixels
constexpr int kCells = 2;       // of a lane, one below the other; a warp labels one row of them
constexpr int kColumns = kWarp - 2;  // of a block: a lane needs what its right neighbour's lane has
constexpr int kShare = 10;      // classes of a warp, all of whose logits are on their way at once
constexpr int kSlices = 20;     // warps that share the classes, at most
constexpr int kMostClasses = kSlices * kShare;
constexpr int kPixelsAtOnce = 16;  // whose best values a thread holds

static_assert(kShare <= 16);         // bits of a mask of a warp's classes
static_assert(kMostClasses <= 256);  // labels wait for their store as bytes

//! Warps that share the classes: one for each row of cells at least.
inline int slicesFor(int classes) noexcept
{
    auto const count = static_cast<int>(blocksFor(classes, kShare));
    return count < kCells ? kCells : count;
}

} // namespace segpp::resize
