//! A picture in tiles of the network's size, whose logits are blended where they overlap; as
//! src/segpp/images/tiles.py does.
#pragma once

#include "labels/resize_argmax.h"

#include <segpp/image.h>
#include <segpp/labels.h>
#include <segpp/manifest.h>

#include <functional>
#include <vector>

namespace segpp
{

//! Throw InputError unless neighbouring tiles can share that part of a side.
void checkOverlap(double overlap);

//! Where tiles begin along a side of a picture; the last one ends with the side.
std::vector<int> tileStarts(int length, int tile, double overlap);

//! Return the labels of a picture of any size.
//!
//! logitsOf: Gives the logits of up to a batch of pictures of the network's size.
Labels labelsOfTiles(ImageView const& picture, InputSpec const& spec, bool alignCorners,
    double overlap,
    std::function<std::vector<Logits>(std::vector<ImageView> const&)> const& logitsOf);

} // namespace segpp
