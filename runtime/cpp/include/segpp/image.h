//! Pictures as the runtime takes and gives them: 8 bits per value, channels interleaved, RGB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace segpp
{

//! A picture that belongs to the caller: (height, width, channels), rows `rowBytes` apart.
//!
//! It must outlive the call that it is given to, and no longer.
struct ImageView
{
    std::uint8_t const* pixels{nullptr};
    int height{0};
    int width{0};
    int channels{3};
    //! From the start of one row to that of the next; at least width * channels.
    std::ptrdiff_t rowBytes{0};
};

//! A picture that owns its pixels, without gaps between rows.
struct Image
{
    int height{0};
    int width{0};
    int channels{3};
    std::vector<std::uint8_t> pixels{};

    Image() = default;
    Image(int rows, int columns, int values)
        : height(rows)
        , width(columns)
        , channels(values)
        , pixels(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns)
              * static_cast<std::size_t>(values))
    {
    }

    std::uint8_t* row(int y)
    {
        return pixels.data() + static_cast<std::ptrdiff_t>(y) * width * channels;
    }

    std::uint8_t const* row(int y) const
    {
        return pixels.data() + static_cast<std::ptrdiff_t>(y) * width * channels;
    }

    operator ImageView() const // NOLINT: an image is wanted wherever a view is
    {
        return {pixels.data(), height, width, channels,
            static_cast<std::ptrdiff_t>(width) * channels};
    }
};

} // namespace segpp
