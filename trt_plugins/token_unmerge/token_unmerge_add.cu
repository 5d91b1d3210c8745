//! The kernel of SegppTokenUnmergeAdd. token_unmerge.h says what it does.
#include "unmerge_rows.cuh"

#include "cuda_utils/vector.cuh"

namespace segpp
{
namespace
{

//! What is stored is added to a residual, in FP32 and rounded once.
template <typename T, int kCount>
struct Residual
{
    T const* residual;

    __device__ __forceinline__ Word<T, kCount> under(std::size_t word) const
    {
        return loadWord<T, kCount>(residual + word * kCount);
    }

    __device__ __forceinline__ Word<T, kCount> sum(
        Word<T, kCount> const& under, Word<T, kCount> const& gathered) const
    {
        Pack<T, kCount> const first = packOfWord<T, kCount>(under);
        Pack<T, kCount> const second = packOfWord<T, kCount>(gathered);
        Pack<T, kCount> total;
#pragma unroll
        for (int i = 0; i < kCount; ++i)
        {
            total.at[i] = fromFloat<T>(toFloat(first.at[i]) + toFloat(second.at[i]));
        }
        Word<T, kCount> word;
        memcpy(&word, &total, sizeof(word));
        return word;
    }
};

template <typename T, int kCount>
__global__ void __launch_bounds__(kUnmergeThreads, 4) tokenUnmergeAddKernel(
    Word<T, kCount> const* __restrict__ y, std::int32_t const* __restrict__ slot,
    T const* __restrict__ residual, Word<T, kCount>* __restrict__ x, TokenUnmergeShape shape,
    std::int32_t words)
{
    unmergeRows(y, slot, x, shape, words, Residual<T, kCount>{residual});
}

template <typename T, int kCount>
cudaError_t unmergeAddBy(TokenUnmergeShape const& shape, UnmergeAddBuffers const& buffers,
    cudaStream_t stream) noexcept
{
    std::int32_t const words = shape.channels / kCount;
    UnmergeLaunch const size{shape, words};
    return launch(tokenUnmergeAddKernel<T, kCount>, size.grid, size.block, 0, stream,
        static_cast<Word<T, kCount> const*>(buffers.y), buffers.slot,
        static_cast<T const*>(buffers.residual), static_cast<Word<T, kCount>*>(buffers.x), shape,
        words);
}

template <typename T>
cudaError_t unmergeAddOf(TokenUnmergeShape const& shape, UnmergeAddBuffers const& buffers,
    cudaStream_t stream) noexcept
{
    std::size_t const rowBytes = shape.channels * sizeof(T);
    bool const wide = aligned(rowBytes, sizeof(uint4), buffers.y, buffers.x)
        && isAligned16(buffers.residual);
    return wide ? unmergeAddBy<T, kWide<T>>(shape, buffers, stream)
                : unmergeAddBy<T, 1>(shape, buffers, stream);
}

} // namespace

cudaError_t tokenUnmergeAdd(TokenUnmergeShape const& shape, ElementType type,
    UnmergeAddBuffers const& buffers, cudaStream_t stream) noexcept
{
    if (!fits(shape))
    {
        return cudaErrorInvalidValue;
    }
    switch (type)
    {
    case ElementType::kFloat32:
        return unmergeAddOf<float>(shape, buffers, stream);
    case ElementType::kFloat16:
        return unmergeAddOf<__half>(shape, buffers, stream);
    case ElementType::kBFloat16:
        return unmergeAddOf<__nv_bfloat16>(shape, buffers, stream);
    }
    return cudaErrorInvalidValue;
}

} // namespace segpp
