//! The kernel of SegppTokenUnmerge. token_unmerge.h says what it does.
#include "token_unmerge.h"

#include "cuda_utils/element.cuh"
#include "cuda_utils/launch.cuh"

namespace segpp
{
namespace
{

constexpr std::int32_t kThreads = 256;
constexpr std::int32_t kRows = 4;

template <typename Word>
__global__ void __launch_bounds__(kThreads, 4) tokenUnmergeKernel(Word const* __restrict__ y,
    std::int32_t const* __restrict__ slot, Word* __restrict__ x, TokenUnmergeShape shape,
    std::int32_t words)
{
    auto const stride = static_cast<std::int32_t>(blockDim.y);
    auto const first = static_cast<std::int32_t>(blockIdx.x) * kRows * stride
        + static_cast<std::int32_t>(threadIdx.y);
    for (auto image = blockIdx.y; image < static_cast<unsigned>(shape.batch); image += gridDim.y)
    {
        std::int32_t const* const slots = slot + std::size_t{image} * shape.tokens;
        Word const* const from = y + std::size_t{image} * shape.slots * words;
        Word* const to = x + std::size_t{image} * shape.tokens * words;
        // 1. The slots of four rows.
        std::int32_t source[kRows];
#pragma unroll
        for (std::int32_t i = 0; i < kRows; ++i)
        {
            std::int32_t const row = first + i * stride;
            source[i] = row < shape.tokens ? slots[row] : -1;
        }
        for (auto column = static_cast<std::int32_t>(threadIdx.x); column < words;
             column += static_cast<std::int32_t>(blockDim.x))
        {
            // 2. Gather a word of each from y (M, C).
            Word value[kRows];
#pragma unroll
            for (std::int32_t i = 0; i < kRows; ++i)
            {
                bool const known = static_cast<std::uint32_t>(source[i])
                    < static_cast<std::uint32_t>(shape.slots);
                value[i] = known ? from[static_cast<unsigned>(source[i] * words + column)] : Word{};
            }
            // 3. Store them to x (N, C).
#pragma unroll
            for (std::int32_t i = 0; i < kRows; ++i)
            {
                std::int32_t const row = first + i * stride;
                if (row < shape.tokens)
                {
                    __stcs(to + static_cast<unsigned>(row * words + column), value[i]);
                }
            }
        }
    }
}

template <typename Word>
cudaError_t unmergeBy(TokenUnmergeShape const& shape, std::size_t rowBytes, void const* y,
    std::int32_t const* slot, void* x, cudaStream_t stream) noexcept
{
    auto const words = static_cast<std::int32_t>(rowBytes / sizeof(Word));
    dim3 const block = columnBlock(words, kThreads);
    dim3 const grid(blocksFor(shape.tokens, kRows * static_cast<std::int32_t>(block.y)),
        imageBlocks(shape.batch));
    return launch(tokenUnmergeKernel<Word>, grid, block, 0, stream, static_cast<Word const*>(y),
        slot, static_cast<Word*>(x), shape, words);
}

} // namespace

cudaError_t tokenUnmerge(TokenUnmergeShape const& shape, ElementType type, void const* y,
    std::int32_t const* slot, void* x, cudaStream_t stream) noexcept
{
    if (shape.batch < 1 || !indexable(shape.tokens, shape.channels)
        || !indexable(shape.slots, shape.channels))
    {
        return cudaErrorInvalidValue;
    }
    std::size_t const rowBytes = shape.channels * elementBytes(type);
    if (aligned(rowBytes, sizeof(uint4), y, x))
    {
        return unmergeBy<uint4>(shape, rowBytes, y, slot, x, stream);
    }
    if (aligned(rowBytes, sizeof(std::uint32_t), y, x))
    {
        return unmergeBy<std::uint32_t>(shape, rowBytes, y, slot, x, stream);
    }
    return unmergeBy<std::uint16_t>(shape, rowBytes, y, slot, x, stream);
}

} // namespace segpp
