//! Sums of rows in the canonical order, by one thread for each column or by the whole block.
//!
//!     total[c] = sum over the groups of 32 members of (sum over the group of x[member, c])
//!
//! Shapes  x (N, C) of one image, in words; total (elements of a word) for each column.
//! Work    Four rows are on their way at a time. A long list is dealt to the threads of a column
//!         group by group, and the first of them adds the groups' sums.
//! Exact   FP32, groups in order, from +0: alone or together, the same additions.
#pragma once

#include "cuda_utils/element.cuh"
#include "merge_members.cuh"

#include <cuda_runtime.h>

#include <cstddef>

namespace segpp::merge
{

// The group of a thread that has no column: beyond all rows, and beyond all groups of members.
constexpr int kIdle = kThreads;
static_assert(kIdle >= kMostRows && kIdle * kGroup >= kCapacity + kGroup);

//! What a thread adds up: one column of rows of x. A block has ``groups`` threads for each.
template <typename Word>
struct Column
{
    Word const* x;  // the column in the first row
    int words;      // of a row
    int index;      // among the columns that the block has in hand
    int width;      // how many those are
    int group, groups;
};

template <int kCount>
__device__ void addTo(float (&sum)[kCount], float const (&values)[kCount])
{
#pragma unroll
    for (int i = 0; i < kCount; ++i)
    {
        sum[i] += values[i];
    }
}

template <typename T, typename Word>
__device__ void addWord(float (&sum)[kPerWord<T, Word>], Word const& word)
{
    float values[kPerWord<T, Word>];
    unpack<T>(word, values);
    addTo(sum, values);
}

//! Divides by the count and rounds; nothing at all becomes zero.
template <typename T, typename Word>
__device__ Word mean(float (&total)[kPerWord<T, Word>], int count)
{
    if (count > 1)
    {
#pragma unroll
        for (int i = 0; i < kPerWord<T, Word>; ++i)
        {
            total[i] /= static_cast<float>(count);
        }
    }
    return pack<T, Word>(total);
}

//! Adds a row of x to ``sum`` for each member, in order.
template <typename T, typename Word>
__device__ void add(
    float (&sum)[kPerWord<T, Word>], Column<Word> const& column, int const* member, int count)
{
    // Left alone, the compiler unrolls this further and runs out of registers.
#pragma unroll 1
    for (; count > 0; count -= kInFlight, member += kInFlight)
    {
        Word row[kInFlight];
#pragma unroll
        for (int i = 0; i < kInFlight; ++i)
        {
            if (i < count)
            {
                row[i] = column.x[static_cast<unsigned>(member[i] / kMostRows * column.words)];
            }
        }
#pragma unroll
        for (int i = 0; i < kInFlight; ++i)
        {
            if (i < count)
            {
                addWord<T>(sum, row[i]);
            }
        }
    }
}

//! Adds all members in the canonical order; the work of one thread.
template <typename T, typename Word>
__device__ void addAlone(
    float (&total)[kPerWord<T, Word>], Column<Word> const& column, int const* member, int count)
{
#pragma unroll 1
    for (int first = 0; first < count; first += kGroup)
    {
        float sum[kPerWord<T, Word>] = {};
        int const left = count - first;
        add<T>(sum, column, member + first, left < kGroup ? left : kGroup);
        addTo(total, sum);
    }
}

//! The same as the work of the block; only the threads of group 0 get the total.
template <typename T, typename Word>
__device__ void addTogether(Members& members, float (&total)[kPerWord<T, Word>],
    Column<Word> const& column, int const* member, int count)
{
#pragma unroll 1
    for (int first = 0; first < count; first += column.groups * kGroup)
    {
        float sum[kPerWord<T, Word>] = {};
        int const begin = first + column.group * kGroup;
        if (begin < count)
        {
            int const left = count - begin;
            add<T>(sum, column, member + begin, left < kGroup ? left : kGroup);
        }
#pragma unroll
        for (int i = 0; i < kPerWord<T, Word>; ++i)
        {
            members.partial[i * kThreads + threadIdx.x] = sum[i];
        }
        __syncthreads();
        for (int group = 0; column.group == 0 && group < column.groups; ++group)
        {
            if (first + group * kGroup < count)
            {
#pragma unroll
                for (int i = 0; i < kPerWord<T, Word>; ++i)
                {
                    total[i] += members.partial[i * kThreads + group * column.width + column.index];
                }
            }
        }
        __syncthreads();
    }
}

} // namespace segpp::merge
