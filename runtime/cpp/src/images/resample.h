//! Resizing on 8 bits, to the bit as Pillow does.
#pragma once

#include <segpp/image.h>
#include <segpp/manifest.h>

namespace segpp
{

//! A part of a picture in its pixels, which need not be whole; Pillow keeps it in single precision.
struct Box
{
    float left{0.0F};
    float top{0.0F};
    float right{0.0F};
    float bottom{0.0F};
};

//! Return the part of a picture in `box` at another height and width.
//!
//! Bilinear and bicubic average where they shrink; a filter reaches over the edges of the box.
Image resample(ImageView const& picture, Box const& box, int height, int width, Filter filter);

//! The same for all of a picture.
Image resample(ImageView const& picture, int height, int width, Filter filter);

} // namespace segpp
