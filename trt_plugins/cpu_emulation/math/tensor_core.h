//! ``ldmatrix`` and ``mma.m16n8k16`` across the lanes of a warp, with the layout of their fragments
//! as the PTX manual gives it: an index that is wrong in a kernel gives a wrong product here.
#pragma once

#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "memory/shared_memory.h"
#include "support/device.h"
#include "threads/warp.h"

namespace cpu_emulation
{

//! Loads ``Count`` 8x8 matrices of 16-bit elements. Lane ``8 i + r`` names row ``r`` of matrix
//! ``i``; lane ``l`` takes elements ``2 (l % 4)`` and the next of row ``l / 4`` of each.
template <unsigned int Count>
void loadMatrices(std::uint32_t (&fragment)[Count], void const* row, Where where)
{
    if (lane() < 8 * Count
        && (reinterpret_cast<std::uintptr_t>(row) % 16 || !isShared(row, 16)))
    {
        refuse("ldmatrix reads a row that is not 16 aligned bytes of shared memory", where);
    }
    meetWarp("ldmatrix", 0xffffffffU, &row, fragment, where, [](Lanes lanes) {
        ++counts.matrixLoads;
        for (unsigned int lane = 0; lane < warpSize; ++lane)
        {
            auto& out = lanes.out<std::uint32_t[Count]>(lane);
            for (unsigned int matrix = 0; matrix < Count; ++matrix)
            {
                void const* source = lanes.in<void const*>(8 * matrix + lane / 4);
                out[matrix] = static_cast<std::uint32_t const*>(source)[lane % 4];
            }
        }
    });
}

inline float wide(__half value) noexcept
{
    return __half2float(value);
}
inline float wide(__nv_bfloat16 value) noexcept
{
    return __bfloat162float(value);
}

struct MultiplyOperands
{
    std::uint32_t a[4];
    std::uint32_t b[2];
    float c[4];
};

template <typename T>
float elementOf(std::uint32_t pair, unsigned int index) noexcept
{
    auto const bits = static_cast<std::uint16_t>(index ? pair >> 16 : pair);
    T value;
    std::memcpy(&value, &bits, sizeof(value));
    return wide(value);
}

//! Gathers the fragments of all lanes into matrices, multiplies those, deals the result out.
template <typename T>
void multiplyLanes(Lanes lanes)
{
    ++counts.multiplications;
    float a[16][16];
    float b[16][8];
    for (unsigned int lane = 0; lane < warpSize; ++lane)
    {
        MultiplyOperands const& in = lanes.in<MultiplyOperands>(lane);
        for (unsigned int i = 0; i < 8; ++i)
        {
            // a0 and a2 hold row lane / 4, a1 and a3 the row 8 below; a2 and a3 the later columns.
            unsigned int const row = lane / 4 + (i / 2 % 2) * 8;
            a[row][lane % 4 * 2 + i % 2 + i / 4 * 8] = elementOf<T>(in.a[i / 2], i % 2);
        }
        for (unsigned int i = 0; i < 4; ++i)
        {
            b[lane % 4 * 2 + i % 2 + i / 2 * 8][lane / 4] = elementOf<T>(in.b[i / 2], i % 2);
        }
    }
    for (unsigned int lane = 0; lane < warpSize; ++lane)
    {
        for (unsigned int i = 0; i < 4; ++i)
        {
            unsigned int const row = lane / 4 + i / 2 * 8;
            unsigned int const column = lane % 4 * 2 + i % 2;
            float sum = lanes.in<MultiplyOperands>(lane).c[i];
            for (unsigned int k = 0; k < 16; ++k)
            {
                sum += a[row][k] * b[k][column];
            }
            lanes.out<float[4]>(lane)[i] = sum;
        }
    }
}

//! d = a x b + d for a warp: a 16x16 by rows, b 16x8 by columns, d 16x8 in FP32.
template <typename T>
void multiplyAdd(
    float (&d)[4], std::uint32_t const (&a)[4], std::uint32_t const (&b)[2], Where where)
{
    if (device.leavesOut80())
    {
        return;
    }
    MultiplyOperands const operands{
        {a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {d[0], d[1], d[2], d[3]}};
    meetWarp("mma", 0xffffffffU, &operands, d, where, multiplyLanes<T>);
}

} // namespace cpu_emulation
