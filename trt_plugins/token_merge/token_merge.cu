//! The launch of SegppTokenMerge. token_merge.h says what it does.
#include "token_merge.h"

#include "cuda_utils/launch.cuh"
#include "merge_rows.cuh"
#include "merge_singles.cuh"

namespace segpp
{
namespace
{

using namespace merge;

//! Where the work of a launch is cut: blocks that add rows come first, for they take longest.
struct Tiling
{
    int perBlock;   // slots of a block
    int listBlocks;  // blocks for slots whose members are to be found; the others copy
};

//! The rows of a block: their members in every window of tokens, and the means of those.
template <typename T, int kCount>
__device__ void mergeRows(Members& members, T const* x, int const* slot, T* y, int tokens,
    int channels, Rows rows)
{
    int const packs = channels / kCount;
    int const width = packs < kThreads ? packs : kThreads;
    auto const group = static_cast<int>(threadIdx.x / static_cast<unsigned>(width));
    int const index = static_cast<int>(threadIdx.x) - group * width;
    for (int base = 0; base < packs; base += width)
    {
        int const channel = (base + index) * kCount;
        bool const inside = group < groupsFor(packs) && base + index < packs;
        Column<T, kCount> column{x + channel, static_cast<unsigned>(channels), index, width, group,
            groupsFor(packs), inside};
        Sum<kCount> sum;
        for (int begin = 0; begin < tokens; begin += kWindow)
        {
            int const left = tokens - begin;
            find(members, slot + begin, left < kWindow ? left : kWindow, rows, begin > 0);
            addWindow(members, sum, column, rows.count);
            column.x += std::size_t{kWindow} * channels;
        }
        if (inside && group < rows.count)
        {
            auto const place = static_cast<unsigned>((rows.first + group) * channels + channel);
            storePack(y + place, sum.template mean<T>());
        }
    }
}

template <typename T, int kCount>
__global__ void __launch_bounds__(kThreads, kBlocks) tokenMergeKernel(T const* __restrict__ x,
    int const* __restrict__ slot, T* __restrict__ y, TokenMergeShape shape, Tiling tiling)
{
    __shared__ Members members;
    auto const block = static_cast<int>(blockIdx.x);
    int const first = shape.singles + block * tiling.perBlock;
    int const left = shape.slots - first;
    Rows const rows{first, left < tiling.perBlock ? left : tiling.perBlock};
    auto const image = std::size_t{blockIdx.y};
    int const* const slots = slot + image * shape.tokens;
    T const* const from = x + image * shape.tokens * shape.channels;
    T* const to = y + image * shape.slots * shape.channels;
    if (block < tiling.listBlocks)
    {
        mergeRows<T, kCount>(members, from, slots, to, shape.tokens, shape.channels, rows);
    }
    else
    {
        int const other = block - tiling.listBlocks;
        copySingles<T, kCount>(
            from, slots, to, shape.tokens, shape.channels, shape.singles, other);
    }
}

//! So many slots a block that every multiprocessor has one, if they are enough and fit.
cudaError_t tile(TokenMergeShape const& shape, int packs, Tiling& tiling) noexcept
{
    int device = 0;
    int processors = 1;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess)
    {
        error = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    }
    std::int32_t const shared = shape.slots - shape.singles;
    int const most = groupsFor(packs) < kMostRows ? groupsFor(packs) : kMostRows;
    int perBlock = 1;
    while (perBlock < most
        && std::int64_t{shared} * shape.batch > std::int64_t{perBlock} * processors)
    {
        ++perBlock;
    }
    tiling = {perBlock, static_cast<int>(blocksFor(shared, perBlock))};
    return error;
}

template <typename T, int kCount>
cudaError_t mergeBy(TokenMergeShape const& shape, void const* x, std::int32_t const* slot, void* y,
    cudaStream_t stream) noexcept
{
    Tiling tiling{};
    cudaError_t const error = tile(shape, shape.channels / kCount, tiling);
    if (error != cudaSuccess)
    {
        return error;
    }
    std::uint32_t const copyBlocks = shape.singles ? blocksFor(shape.tokens, kThreads) : 0;
    dim3 const grid(tiling.listBlocks + copyBlocks, shape.batch);
    return launch(tokenMergeKernel<T, kCount>, grid, dim3(kThreads), 0, stream,
        static_cast<T const*>(x), slot, static_cast<T*>(y), shape, tiling);
}

//! A grid takes so many images at once.
constexpr std::int32_t kImages = 65535;

template <typename T, int kCount>
cudaError_t mergeAll(TokenMergeShape shape, void const* x, std::int32_t const* slot, void* y,
    cudaStream_t stream) noexcept
{
    cudaError_t error = cudaSuccess;
    for (std::int32_t left = shape.batch; left > 0 && error == cudaSuccess; left -= shape.batch)
    {
        shape.batch = left < kImages ? left : kImages;
        error = mergeBy<T, kCount>(shape, x, slot, y, stream);
        std::size_t const images = shape.batch;
        x = static_cast<T const*>(x) + images * shape.tokens * shape.channels;
        y = static_cast<T*>(y) + images * shape.slots * shape.channels;
        slot += images * shape.tokens;
    }
    return error;
}

template <typename T>
cudaError_t mergeOf(TokenMergeShape const& shape, void const* x, std::int32_t const* slot, void* y,
    cudaStream_t stream) noexcept
{
    return aligned(shape.channels * sizeof(T), sizeof(uint4), x, y)
        ? mergeAll<T, kWide<T>>(shape, x, slot, y, stream)
        : mergeAll<T, 1>(shape, x, slot, y, stream);
}

} // namespace

std::size_t tokenMergeWorkspaceSize(TokenMergeShape const&, ElementType) noexcept
{
    return 0;
}

cudaError_t tokenMerge(TokenMergeShape const& shape, ElementType type, void const* x,
    std::int32_t const* slot, void* y, void*, cudaStream_t stream) noexcept
{
    if (shape.batch < 1 || shape.tokens > kMostTokens || !indexable(shape.tokens, shape.channels)
        || !indexable(shape.slots, shape.channels) || shape.singles < 0
        || shape.singles > shape.slots)
    {
        return cudaErrorInvalidValue;
    }
    switch (type)
    {
    case ElementType::kFloat32:
        return mergeOf<float>(shape, x, slot, y, stream);
    case ElementType::kFloat16:
        return mergeOf<__half>(shape, x, slot, y, stream);
    case ElementType::kBFloat16:
        return mergeOf<__nv_bfloat16>(shape, x, slot, y, stream);
    }
    return cudaErrorInvalidValue;
}

} // namespace segpp
