//! Numbers for the benchmarks: never zeros, which would flatter the chip's power and the kernels.
#pragma once

#include "timing.h"

#include <cstddef>
#include <cstdint>

namespace segpp::benchmark
{

//! ``count`` FP16 numbers between -1 and 1.
void fillTokens(Buffer const& memory, std::size_t place, std::size_t count, std::uint32_t seed);

//! ``planes`` of ``height`` x ``width`` FP16 logits: noise, or blobs of 16 x 16 with a little noise.
void fillLogits(Buffer const& memory, std::size_t place, std::int32_t planes, std::int32_t height,
    std::int32_t width, bool smooth, std::uint32_t seed);

} // namespace segpp::benchmark
