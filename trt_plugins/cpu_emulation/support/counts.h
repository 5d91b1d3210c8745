//! How much a kernel did, for tests that know how much it should.
#pragma once

#include <cstdint>

namespace cpu_emulation
{

struct Counts
{
    std::uint64_t blocks{0};
    std::uint64_t barriers{0};         // of a block
    std::uint64_t multiplications{0};  // mma of a warp: 16 x 8 x 16 products
    std::uint64_t matrixLoads{0};      // ldmatrix of a warp, of whatever width
    std::uint64_t copiedBytes{0};      // read by asynchronous copies; zeroes do not count
};

inline Counts counts{};

} // namespace cpu_emulation
