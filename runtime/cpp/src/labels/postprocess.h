//! What a network gives, as labels of the picture's own size.
#pragma once

#include "images/placement.h"
#include "labels/resize_argmax.h"

#include <segpp/labels.h>
#include <segpp/manifest.h>

#include <cstdint>

namespace segpp
{

//! Throw CheckError for logits (a whole batch) with infinities or not-a-numbers.
void checkFinite(void const* raw, OutputSpec const& output);

//! Return one picture's logits of a batch as float32, planes first.
Logits logitsOf(void const* raw, OutputSpec const& output, int index);

//! Return the labels of one picture of a batch, of the picture's size.
//!
//! raw: The network's output as it is in memory. What a crop leaves out gets `unseenLabel`.
//! Throws CheckError for labels that are no class.
Labels labelsFrom(void const* raw, OutputSpec const& output, int index, int height, int width,
    std::size_t classes, InputSpec const& spec);

//! Class numbers as labels of the smallest type: bytes where all are from 0 to 255.
Labels packed(std::vector<std::int32_t> const& numbers, int height, int width, bool asBytes);

} // namespace segpp
