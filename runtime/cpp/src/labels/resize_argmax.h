//! The best class of every pixel of bilinearly resized logits, without resizing them all.
#pragma once

#include "labels/axis.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace segpp
{

//! Logits (K, h, w) in float32, planes first and without gaps.
struct Logits
{
    int classes{0};
    int height{0};
    int width{0};
    std::vector<float> values;

    float const* plane(int number) const
    {
        return values.data() + static_cast<std::ptrdiff_t>(number) * height * width;
    }
};

//! Return the logit of a sigmoid as two planes: 0, and the logit itself.
Logits withBackground(Logits logit);

//! Labels of rows.low.size() x columns.low.size() pixels: lowest class on ties.
//!
//! logits: Two planes at least. Bit for bit as segpp.images.postprocess.resize_argmax, which says
//! why only cells whose corners disagree are interpolated, for the classes that can win there.
std::vector<std::int32_t> resizeArgmax(Logits const& logits, Axis const& rows, Axis const& columns);

//! The best class of each pixel (h, w) of planes of `values` values: lowest class on ties.
void argmaxPlanes(
    float const* planes, std::size_t stride, int classes, std::size_t values, std::int32_t* labels);

//! Return a plane (h, w) resized bilinearly, to rows.low.size() x columns.low.size() values.
std::vector<float> resizePlane(
    float const* plane, int width, Axis const& rows, Axis const& columns);

} // namespace segpp
