//! Where a picture lies in a network's input; the formulas are those of src/segpp/images/fit.py.
#pragma once

#include <segpp/manifest.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace segpp
{

//! One axis of a picture in a network's input, in pixels.
struct Span
{
    int picture{0};
    int network{0};
    //! Of the picture when it is resized.
    int content{0};
    //! Where the content begins in the input; negative if it is cut.
    int start{0};

    //! Where the centre of every pixel of the picture lies, from the input's edge.
    std::vector<double> centers() const;

    //! The first pixel of the picture whose centre lies in the input, and the first one after.
    std::pair<int, int> seen() const;

    bool isCut() const
    {
        return content > network;
    }

    //! What the input sees of the picture, in the picture's pixels.
    std::pair<double, double> cut() const;
};

struct Placement
{
    Span rows;
    Span columns;
};

Placement place(int height, int width, InputSpec const& spec);

//! Where `content` pixels begin on a side of the network: negative if it is cut.
int startOf(int network, int content);

//! Beside a letterboxed picture, per channel of the tensor: the rounded mean if nothing else.
std::vector<std::uint8_t> paddingOf(InputSpec const& spec);

//! The picture's channel for the tensor's: BGR swaps within each frame of three.
int sourceOf(int channel, InputSpec const& spec);

//! The label of pixels that a crop leaves out: 255, or -1 where that is a class.
int unseenLabel(std::size_t classes);

} // namespace segpp
