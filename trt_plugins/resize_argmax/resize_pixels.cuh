//! Bilinear interpolation as ops/reference.py rounds it, and the places of inputs around an output.
#pragma once

#include <cuda_runtime.h>

namespace segpp::resize
{

struct Neighbours
{
    int low, high;
    float weight;  // of the higher one
};

//! The inputs around an output along one axis, as ops/reference.py rounds them: not contracted into a fused
//! multiply-add. An input of weight zero is not read. `centre` is where a pixel's value lies, half a
//! pixel from its edge or, with aligned corners, on it.
__device__ inline Neighbours neighboursOf(int out, float scale, float centre, int size)
{
    float const place = __fmul_rn(static_cast<float>(out) + centre, scale);
    float const source = fmaxf(__fsub_rn(place, centre), 0.0F);
    int const floor = static_cast<int>(source);
    int const low = floor < size ? floor : size - 1;
    float const weight = source - static_cast<float>(low);
    return {low, weight > 0.0F && low + 1 < size ? low + 1 : low, weight};
}

__device__ inline float between(float low, float high, float weight)
{
    return fmaf(weight, high, __fmul_rn(1.0F - weight, low));
}

} // namespace segpp::resize
