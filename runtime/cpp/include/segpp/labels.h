//! Class numbers, one for every pixel of a picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

namespace segpp
{

//! Labels (height, width): one byte each up to 256 classes, else four.
struct Labels
{
    int height{0};
    int width{0};
    //! Row after row. Signed where a network has more than 256 classes, or labels below 0.
    std::variant<std::vector<std::uint8_t>, std::vector<std::int32_t>> values{};

    bool isBytes() const noexcept
    {
        return values.index() == 0;
    }

    //! The labels as bytes, row after row; throws std::bad_variant_access unless `isBytes()`.
    std::vector<std::uint8_t> const& bytes() const
    {
        return std::get<0>(values);
    }

    //! The class of one pixel.
    int at(int y, int x) const
    {
        auto const place = static_cast<std::size_t>(y) * static_cast<std::size_t>(width)
            + static_cast<std::size_t>(x);
        return isBytes() ? std::get<0>(values)[place] : std::get<1>(values)[place];
    }
};

} // namespace segpp
