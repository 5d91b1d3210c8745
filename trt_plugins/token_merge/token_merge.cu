//! The launch of SegppTokenMerge. token_merge.h says what it does.
#include "token_merge.h"

#include "cuda_utils/element.cuh"
#include "cuda_utils/launch.cuh"
#include "cuda_utils/warp.cuh"
#include "merge_members.cuh"
#include "merge_rows.cuh"

namespace segpp
{
namespace
{

using namespace merge;

//! All members fit into the list: sort them and add every row's.
template <typename T, typename Word>
__device__ void mergeSorted(Members& members, Column<Word> const& column, Word* y, Rows rows)
{
    for (int row = column.group; row < rows.count; row += column.groups)
    {
        int const start = members.starts[row];
        int const count = members.starts[row + 1] - start;
        if (count <= kShared)
        {
            float total[kPerWord<T, Word>] = {};
            addAlone<T>(total, column, members.sorted + start, count);
            y[static_cast<unsigned>(row * column.words)] = mean<T, Word>(total, count);
        }
    }
    for (int row = 0; row < rows.count; ++row)
    {
        int const start = members.starts[row];
        int const count = members.starts[row + 1] - start;
        if (count > kShared)
        {
            float total[kPerWord<T, Word>] = {};
            addTogether<T>(members, total, column, members.sorted + start, count);
            if (column.group == 0)
            {
                y[static_cast<unsigned>(row * column.words)] = mean<T, Word>(total, count);
            }
        }
    }
}

//! Too many members for the list: row by row, the members of a row as they come.
template <typename T, typename Word>
__device__ void mergeLong(Members& members, int const* slot, int tokens, Column<Word> const& column,
    Word* y, Rows row)
{
    float total[kPerWord<T, Word>] = {};
    int all = 0;
    int waiting = 0;  // members listed and not yet added: less than a group
    for (int begin = 0; begin < tokens; begin += kCapacity)
    {
        int const end = begin + kCapacity < tokens ? begin + kCapacity : tokens;
        Range const range = rangeOfWarp(begin, end);
        int before;
        int const found = countMembers(members, slot, range, row, before);
        enlist(slot, range, row, members.sorted + waiting + before);
        __syncthreads();
        all += found;
        int const listed = waiting + found;
        int const whole = end == tokens ? listed : listed / kGroup * kGroup;
        addTogether<T>(members, total, column, members.sorted, whole);
        waiting = listed - whole;
        auto const place = static_cast<int>(threadIdx.x);
        int const moved = place < waiting ? members.sorted[whole + place] : 0;
        __syncthreads();
        if (place < waiting)
        {
            members.sorted[place] = moved;
        }
    }
    if (column.group == 0)
    {
        *y = mean<T, Word>(total, all);
    }
}

template <typename T, typename Word>
__global__ void __launch_bounds__(kThreads, 3) tokenMergeKernel(Word const* __restrict__ x,
    int const* __restrict__ slot, Word* __restrict__ y, TokenMergeShape shape, int perBlock)
{
    __shared__ Members members;
    int const words = shape.channels / kPerWord<T, Word>;
    int const width = words < kThreads ? words : kThreads;
    int const first = static_cast<int>(blockIdx.x) * perBlock;
    Rows const rows{first, first + perBlock < shape.slots ? perBlock : shape.slots - first};
    auto const thread = static_cast<int>(threadIdx.x);
    for (auto image = blockIdx.y; image < static_cast<unsigned>(shape.batch); image += gridDim.y)
    {
        int const* const slots = slot + std::size_t{image} * shape.tokens;
        Word const* const from = x + std::size_t{image} * shape.tokens * words;
        Word* const to = y + (std::size_t{image} * shape.slots + first) * words;
        // 1. The members of the block's slots, listed and sorted by slot if they fit.
        Range const range = rangeOfWarp(0, shape.tokens);
        int before;
        int const found = countMembers(members, slots, range, rows, before);
        bool const fits = found <= kCapacity;
        if (fits)
        {
            enlist(slots, range, rows, members.listed + before);
            __syncthreads();
            if (warpId() == 0)
            {
                sort(members, found);
            }
        }
        __syncthreads();
        // 2. `width` columns of words at a time, in as many groups of threads as the block has:
        // x (N, C) to y (rows of the block, C).
        for (int base = 0; base < words; base += width)
        {
            int const index = thread % width;
            int const group = thread / width;
            bool const idle = group >= kThreads / width || base + index >= words;
            Column<Word> const column{
                from + base + index, words, index, width, idle ? kIdle : group, kThreads / width};
            Word* const out = to + base + index;
            if (fits)
            {
                mergeSorted<T>(members, column, out, rows);
            }
            for (int row = 0; row < rows.count && !fits; ++row)
            {
                Rows const one{first + row, 1};
                mergeLong<T>(members, slots, shape.tokens, column,
                    out + static_cast<unsigned>(row * words), one);
            }
        }
        __syncthreads();
    }
}

//! Slots of a block: as many as still give every multiprocessor two blocks.
cudaError_t slotsPerBlock(TokenMergeShape const& shape, int& perBlock) noexcept
{
    int device = 0;
    int processors = 0;
    cudaError_t error = cudaGetDevice(&device);
    if (error == cudaSuccess)
    {
        error = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    }
    perBlock = kMostRows;
    while (perBlock > 8 && blocksFor(shape.slots, perBlock) * shape.batch < 2U * processors)
    {
        perBlock /= 2;
    }
    return error;
}

template <typename T, typename Word>
cudaError_t mergeBy(TokenMergeShape const& shape, void const* x, std::int32_t const* slot, void* y,
    cudaStream_t stream) noexcept
{
    int perBlock = 0;
    if (cudaError_t const error = slotsPerBlock(shape, perBlock); error != cudaSuccess)
    {
        return error;
    }
    dim3 const grid(blocksFor(shape.slots, perBlock), imageBlocks(shape.batch));
    return launch(tokenMergeKernel<T, Word>, grid, dim3(kThreads), 0, stream,
        static_cast<Word const*>(x), slot, static_cast<Word*>(y), shape, perBlock);
}

//! ``Alone`` holds one element: for rows that do not fall into 16-byte words.
template <typename T, typename Alone>
cudaError_t mergeOf(TokenMergeShape const& shape, void const* x, std::int32_t const* slot, void* y,
    cudaStream_t stream) noexcept
{
    return aligned(shape.channels * sizeof(T), sizeof(uint4), x, y)
        ? mergeBy<T, uint4>(shape, x, slot, y, stream)
        : mergeBy<T, Alone>(shape, x, slot, y, stream);
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
        || !indexable(shape.slots, shape.channels))
    {
        return cudaErrorInvalidValue;
    }
    switch (type)
    {
    case ElementType::kFloat32:
        return mergeOf<float, std::uint32_t>(shape, x, slot, y, stream);
    case ElementType::kFloat16:
        return mergeOf<__half, std::uint16_t>(shape, x, slot, y, stream);
    case ElementType::kBFloat16:
        return mergeOf<__nv_bfloat16, std::uint16_t>(shape, x, slot, y, stream);
    }
    return cudaErrorInvalidValue;
}

} // namespace segpp
