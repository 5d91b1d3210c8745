//! The kernel of SegppTokenUnmerge. token_unmerge.h says what it does.
#include "unmerge_rows.cuh"

namespace segpp
{
namespace
{

template <typename Word>
__global__ void __launch_bounds__(kUnmergeThreads, 4) tokenUnmergeKernel(
    Word const* __restrict__ y, std::int32_t const* __restrict__ slot, Word* __restrict__ x,
    TokenUnmergeShape shape, std::int32_t words)
{
    unmergeRows(y, slot, x, shape, words, Alone<Word>{});
}

template <typename Word>
cudaError_t unmergeBy(TokenUnmergeShape const& shape, std::size_t rowBytes, void const* y,
    std::int32_t const* slot, void* x, cudaStream_t stream) noexcept
{
    auto const words = static_cast<std::int32_t>(rowBytes / sizeof(Word));
    UnmergeLaunch const size{shape, words};
    return launch(tokenUnmergeKernel<Word>, size.grid, size.block, 0, stream,
        static_cast<Word const*>(y), slot, static_cast<Word*>(x), shape, words);
}

} // namespace

cudaError_t tokenUnmerge(TokenUnmergeShape const& shape, ElementType type, void const* y,
    std::int32_t const* slot, void* x, cudaStream_t stream) noexcept
{
    if (!fits(shape))
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
