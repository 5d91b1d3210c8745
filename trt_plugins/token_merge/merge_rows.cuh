//! Sums of rows in the canonical order, by one thread for each column or by the whole block.
//!
//!     total[c] = sum over the groups of 32 members of (sum over the group of x[member, c])
//!
//! Shapes  x (N, C) of one image, in packs; a sum (elements of a pack) for each column.
//! Work    Eight rows are on their way at a time. A long list is dealt to the threads of a column
//!         group by group, and the one that owns the row adds the groups' sums.
//! Exact   FP32, groups in order, from +0: alone or together, in one window or in several, the
//!         same additions. A sum from +0 is never -0, so that a group without members adds nothing.
#pragma once

#include "merge_members.cuh"

#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>

namespace segpp::merge
{

//! A column of the rows of x that a window has, and which of the threads that share it this one is.
template <typename T, int kCount>
struct Column
{
    T const* x;  // the column in the window's first row
    unsigned channels;
    int index, width;   // among the columns that the block has in hand
    int group, groups;  // among the threads of the column; the row that it owns
    bool inside;        // not of the threads that are left over

    __device__ Word<T, kCount> operator[](Member member) const
    {
        // A window's elements are countable in 32 bits, its bytes are not.
        return loadWord<T, kCount>(x + unsigned{member} * channels);
    }
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

template <typename T, int kCount>
__device__ void addPack(float (&sum)[kCount], Pack<T, kCount> const& pack)
{
#pragma unroll
    for (int i = 0; i < kCount; ++i)
    {
        sum[i] += toFloat(pack.at[i]);
    }
}

template <typename T, int kCount>
__device__ Pack<T, kCount> packOf(float const (&values)[kCount])
{
    Pack<T, kCount> pack;
#pragma unroll
    for (int i = 0; i < kCount; ++i)
    {
        pack.at[i] = fromFloat<T>(values[i]);
    }
    return pack;
}

//! Adds a row of x to ``sum`` for each member, in order.
template <typename T, int kCount>
__device__ void add(
    float (&sum)[kCount], Column<T, kCount> const& column, Member const* member, int count)
{
#pragma unroll 1
    for (; count >= kInFlight; count -= kInFlight, member += kInFlight)
    {
        Word<T, kCount> row[kInFlight];
#pragma unroll
        for (int i = 0; i < kInFlight; ++i)
        {
            row[i] = column[member[i]];
        }
#pragma unroll
        for (int i = 0; i < kInFlight; ++i)
        {
            addPack(sum, packOfWord<T, kCount>(row[i]));
        }
    }
    Word<T, kCount> row[kInFlight - 1];
#pragma unroll
    for (int i = 0; i < kInFlight - 1; ++i)
    {
        if (i < count)
        {
            row[i] = column[member[i]];
        }
    }
#pragma unroll
    for (int i = 0; i < kInFlight - 1; ++i)
    {
        if (i >= count)
        {
            break;
        }
        addPack(sum, packOfWord<T, kCount>(row[i]));
    }
}

//! A sum of halves divided by a count of which the inverse is known, rounded once.
//!
//! Exact   A quotient within one unit in the last place becomes the nearest by what is left over
//!         (Markstein, Computation of Elementary Functions on the IBM RISC System/6000 Processor,
//!         1990, theorem 8.2). No sum of halves is so small that this would be rounded.
__device__ inline float quotient(float sum, float count, float inverse)
{
    float const guess = __fmul_rn(sum, inverse);
    float const left = fmaf(-count, guess, sum);
    float const near = fmaf(left, inverse, guess);
    float const nearest = fmaf(fmaf(-count, near, sum), inverse, near);
    // Of an infinite sum nothing that is a number is left over.
    return left == left ? nearest : guess;
}

//! What a thread knows of its column of its row.
template <int kCount>
struct Sum
{
    float total[kCount] = {};  // of whole groups
    float open[kCount] = {};   // of the group that has begun
    int members = 0;

    __device__ void close()
    {
        addTo(total, open);
#pragma unroll
        for (float& value : open)
        {
            value = 0.0F;
        }
    }

    //! Divides by the count and rounds; nothing at all becomes zero.
    template <typename T>
    __device__ Pack<T, kCount> mean()
    {
        close();
        if (members > 1)
        {
            divide<T>(static_cast<float>(members));
        }
        return packOf<T>(total);
    }

    template <typename T>
    __device__ void divide(float count)
    {
        // Sums of the other types may be as small and as large as any.
        float const inverse = std::is_same_v<T, __half> ? 1.0F / count : 0.0F;
#pragma unroll
        for (float& value : total)
        {
            value = std::is_same_v<T, __half> ? quotient(value, count, inverse) : value / count;
        }
    }
};

//! Adds all members; the work of one thread.
template <typename T, int kCount>
__device__ void addAlone(
    Sum<kCount>& sum, Column<T, kCount> const& column, Member const* member, int count)
{
#pragma unroll 1
    while (count > 0)
    {
        int const room = kGroup - sum.members % kGroup;
        int const taken = count < room ? count : room;
        add(sum.open, column, member, taken);
        sum.members += taken;
        member += taken;
        count -= taken;
        if (taken == room)
        {
            sum.close();
        }
    }
}

//! Adds whole groups as the work of the block; only the threads that own the row get their sum.
template <typename T, int kCount>
__device__ void addTogether(Members& members, Sum<kCount>& sum,
    Column<T, kCount> const& column, Member const* member, int whole, bool owns)
{
#pragma unroll 1
    for (int first = 0; first < whole; first += column.groups)
    {
        float part[kCount] = {};
        int const own = first + column.group;
        if (column.inside && own < whole)
        {
            add(part, column, member + own * kGroup, kGroup);
        }
#pragma unroll
        for (int i = 0; i < kCount; ++i)
        {
            members.partial[i * kThreads + threadIdx.x] = part[i];
        }
        __syncthreads();
        for (int group = 0; owns && group < column.groups && first + group < whole; ++group)
        {
#pragma unroll
            for (int i = 0; i < kCount; ++i)
            {
                sum.total[i] += members.partial[i * kThreads + group * column.width + column.index];
            }
        }
        __syncthreads();
    }
    sum.members += owns ? whole * kGroup : 0;
}

//! Members of a row until its open group is full; of a short list, all of them.
__device__ inline int headOf(Members const& members, int row)
{
    int const count = members.counts[row];
    return count <= kShared ? count : (kGroup - members.before[row] % kGroup) % kGroup;
}

//! Adds the members that a window has: every thread to its row, and all to rows with many.
template <typename T, int kCount>
__device__ void addWindow(
    Members& members, Sum<kCount>& sum, Column<T, kCount> const& column, int rows)
{
    bool const owner = column.inside && column.group < rows;
    if (owner)
    {
        Member const* const mine = members.sorted + members.starts[column.group];
        addAlone(sum, column, mine, headOf(members, column.group));
    }
#pragma unroll 1
    for (int row = 0; row < rows; ++row)
    {
        int const count = members.counts[row];
        if (count > kShared)
        {
            int const head = headOf(members, row);
            int const whole = (count - head) / kGroup;
            int const tail = head + whole * kGroup;
            bool const owns = owner && column.group == row;
            Member const* const all = members.sorted + members.starts[row];
            addTogether(members, sum, column, all + head, whole, owns);
            if (owns)
            {
                addAlone(sum, column, all + tail, count - tail);
            }
        }
    }
}

} // namespace segpp::merge
