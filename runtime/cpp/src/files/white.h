//! Pixels of 16 bits as 8, by the value that counts as white: src/segpp/images/white.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace segpp
{

//! Whether a text is max, auto or a number above 0.
bool isWhite(std::string const& white);

//! Whether pixels become 8 bits by more than their high byte.
bool isScaled(std::string const& white);

//! Return `pixels` as 8 bits: min(255, floor(pixel * 255 / white + 0.5)).
//!
//! white: auto or a number, as `isScaled` says.
std::vector<std::uint8_t> inEightBits(
    std::vector<std::uint16_t> const& pixels, std::string const& white);

//! Return the high byte of every value, as libpng takes it.
std::vector<std::uint8_t> highBytes(std::vector<std::uint16_t> const& pixels);

} // namespace segpp
