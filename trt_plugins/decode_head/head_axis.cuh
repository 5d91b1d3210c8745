//! Where pixels of the first level lie on the deeper ones, axis by axis.
#pragma once

#include "decode_head.h"

#include <cuda_runtime.h>

namespace segpp::head
{

constexpr int kDeeper = kHeadLevels - 1;

//! One axis of a deeper level: values per pixel, and how many values there are.
struct Axis
{
    float scale;
    int size;
};

//! The axes of the deeper levels, the images' size, and where a pixel's value lies: half a pixel
//! from its edge or, with aligned corners, on it.
struct Planes
{
    Axis y[kDeeper], x[kDeeper];
    int height, width;
    float centre;
};

//! The lower of the two values around a pixel, and the share of the higher.
struct Place
{
    int low;
    float share;
};

//! As ops/reference.py rounds it: not contracted into a fused multiply-add.
__device__ __forceinline__ Place placeOf(int pixel, Axis axis, float centre)
{
    float const scaled = __fmul_rn(static_cast<float>(pixel) + centre, axis.scale);
    float const source = fmaxf(__fsub_rn(scaled, centre), 0.0F);
    int const floor = static_cast<int>(source);
    int const low = floor < axis.size ? floor : axis.size - 1;
    return {low, source - static_cast<float>(low)};
}

//! Between two values; where they are one and the same it is theirs.
__device__ __forceinline__ float between(float low, float high, float share)
{
    return fmaf(share, high - low, low);
}

//! Negative numbers become zero, and not a number stays one, as with torch.
__device__ __forceinline__ float rectified(float value)
{
    return value < 0.0F ? 0.0F : value;
}

inline Axis axisOf(std::int32_t size, std::int32_t pixels, bool alignCorners) noexcept
{
    std::int32_t const from = alignCorners ? size - 1 : size;
    std::int32_t const to = alignCorners ? (pixels > 1 ? pixels - 1 : 1) : pixels;
    return {static_cast<float>(from) / static_cast<float>(to), size};
}

inline Planes planesOf(DecodeHeadShape const& shape) noexcept
{
    Planes planes{};
    for (int i = 0; i < kDeeper; ++i)
    {
        planes.y[i] = axisOf(shape.height[i + 1], shape.height[0], shape.align_corners);
        planes.x[i] = axisOf(shape.width[i + 1], shape.width[0], shape.align_corners);
    }
    planes.height = shape.height[0];
    planes.width = shape.width[0];
    planes.centre = shape.align_corners ? 0.0F : 0.5F;
    return planes;
}

//! The maps of one type, at the same image.
template <typename T>
struct Maps
{
    T const* first;
    T const* deeper[kDeeper];
};

} // namespace segpp::head
