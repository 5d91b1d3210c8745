//! Which inputs lie around every output along one side of a bilinear resize.
#pragma once

#include "images/placement.h"

#include <cstddef>
#include <vector>

namespace segpp
{

//! For every output: the two inputs around it, and the upper one's weight.
struct Axis
{
    std::vector<int> low;
    std::vector<int> high;
    std::vector<float> weight;
};

//! `count` inputs resized to `wanted` outputs.
Axis axisOf(int count, int wanted, bool alignCorners);

//! `count` inputs that cover the network's input, seen through a picture that lies somewhere in it.
//! What lies in the padding is not looked at, as there is nothing beyond an edge.
Axis axisThrough(int count, Span const& span, bool alignCorners);

//! The nearest of `count` inputs for every output; without `span` the outputs cover them all.
std::vector<int> nearestOf(int count, int wanted, Span const* span);

} // namespace segpp
