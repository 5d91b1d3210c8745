//! Rows gathered by their slots, and stored alone or with something added.
#pragma once

#include "token_unmerge.h"

#include "cuda_utils/element.cuh"
#include "cuda_utils/launch.cuh"

namespace segpp
{

constexpr std::int32_t kUnmergeThreads = 256;
constexpr std::int32_t kUnmergeRows = 4;

//! What is stored is what was gathered.
template <typename Word>
struct Alone
{
    __device__ __forceinline__ Word under(std::size_t) const
    {
        return {};
    }

    __device__ __forceinline__ Word sum(Word const&, Word const& gathered) const
    {
        return gathered;
    }
};

//! Four rows of x for each thread: ``onto`` has the word under each of them, and sums the two.
template <typename Word, typename Onto>
__device__ __forceinline__ void unmergeRows(Word const* __restrict__ y,
    std::int32_t const* __restrict__ slot, Word* __restrict__ x, TokenUnmergeShape const& shape,
    std::int32_t words, Onto const& onto)
{
    auto const stride = static_cast<std::int32_t>(blockDim.y);
    auto const first = static_cast<std::int32_t>(blockIdx.x) * kUnmergeRows * stride
        + static_cast<std::int32_t>(threadIdx.y);
    for (auto image = blockIdx.y; image < static_cast<unsigned>(shape.batch); image += gridDim.y)
    {
        std::size_t const before = std::size_t{image} * shape.tokens;
        std::int32_t const* const slots = slot + before;
        Word const* const from = y + std::size_t{image} * shape.slots * words;
        Word* const to = x + before * words;
        // 1. The slots of four rows.
        std::int32_t source[kUnmergeRows];
#pragma unroll
        for (std::int32_t i = 0; i < kUnmergeRows; ++i)
        {
            std::int32_t const row = first + i * stride;
            source[i] = row < shape.tokens ? slots[row] : -1;
        }
        for (auto column = static_cast<std::int32_t>(threadIdx.x); column < words;
             column += static_cast<std::int32_t>(blockDim.x))
        {
            // 2. Gather a word of each from y (M, C), and load what lies under it (N, C).
            Word value[kUnmergeRows];
            Word under[kUnmergeRows];
#pragma unroll
            for (std::int32_t i = 0; i < kUnmergeRows; ++i)
            {
                bool const known = static_cast<std::uint32_t>(source[i])
                    < static_cast<std::uint32_t>(shape.slots);
                value[i] = known ? from[static_cast<unsigned>(source[i] * words + column)] : Word{};
                std::int32_t const row = first + i * stride;
                under[i] = row < shape.tokens
                    ? onto.under(before * words + static_cast<unsigned>(row * words + column))
                    : Word{};
            }
            // 3. Store their sums to x (N, C).
#pragma unroll
            for (std::int32_t i = 0; i < kUnmergeRows; ++i)
            {
                std::int32_t const row = first + i * stride;
                if (row < shape.tokens)
                {
                    __stcs(to + static_cast<unsigned>(row * words + column),
                        onto.sum(under[i], value[i]));
                }
            }
        }
    }
}

//! Blocks of rows and images for ``words`` of a row.
struct UnmergeLaunch
{
    dim3 block, grid;

    UnmergeLaunch(TokenUnmergeShape const& shape, std::int32_t words) noexcept
        : block{columnBlock(words, kUnmergeThreads)},
          grid(blocksFor(shape.tokens, kUnmergeRows * static_cast<std::int32_t>(block.y)),
              imageBlocks(shape.batch))
    {
    }
};

inline bool fits(TokenUnmergeShape const& shape) noexcept
{
    return shape.batch > 0 && indexable(shape.tokens, shape.channels)
        && indexable(shape.slots, shape.channels);
}

} // namespace segpp
