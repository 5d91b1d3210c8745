#include "files/white.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace segpp
{
namespace
{

constexpr std::size_t kVALUES = 1U << 16U;
constexpr std::array<double, 6> kUSUAL = {255, 1023, 4095, 10000, 16383, 65535};
constexpr std::size_t kMOST_DIGITS = 20;
constexpr std::size_t kMOST_EXPONENT_DIGITS = 3;

//! Step over 1 to `most` digits; false if there are more or none.
bool passDigits(std::string const& text, std::size_t& place, std::size_t most)
{
    std::size_t const start = place;
    while (place < text.size() && text[place] >= '0' && text[place] <= '9')
    {
        ++place;
    }
    return place > start && place - start <= most;
}

//! Step over one of some letters, if one is there.
bool passLetter(std::string const& text, std::size_t& place, char const* letters)
{
    bool const isThere
        = place < text.size() && std::string(letters).find(text[place]) != std::string::npos;
    place += isThere ? 1 : 0;
    return isThere;
}

//! Whether a text is a number as Python takes it: 4095, 0.35, 1e5.
bool isNumber(std::string const& text)
{
    std::size_t place = 0;
    if (!passDigits(text, place, kMOST_DIGITS)
        || (passLetter(text, place, ".") && !passDigits(text, place, kMOST_DIGITS)))
    {
        return false;
    }
    if (passLetter(text, place, "eE"))
    {
        passLetter(text, place, "+-");
        if (!passDigits(text, place, kMOST_EXPONENT_DIGITS))
        {
            return false;
        }
    }
    return place == text.size();
}

//! The value that 99.9 % of the pixels do not pass, by nearest rank, up to the next usual one.
double autoWhite(std::vector<std::uint16_t> const& pixels)
{
    std::vector<std::uint64_t> counts(kVALUES);
    for (std::uint16_t const pixel : pixels)
    {
        ++counts[pixel];
    }
    std::uint64_t const rank = (999 * static_cast<std::uint64_t>(pixels.size()) + 999) / 1000;
    std::uint64_t passed = 0;
    std::size_t value = 0;
    while (value + 1 < kVALUES && (passed += counts[value]) < rank)
    {
        ++value;
    }
    return *std::find_if(kUSUAL.begin(), kUSUAL.end(),
        [value](double usual) { return static_cast<double>(value) <= usual; });
}

} // namespace

bool isWhite(std::string const& white)
{
    if (white == "max" || white == "auto")
    {
        return true;
    }
    if (!isNumber(white))
    {
        return false;
    }
    double const value = std::strtod(white.c_str(), nullptr);
    return std::isfinite(value) && value > 0;
}

bool isScaled(std::string const& white)
{
    return !white.empty() && white != "max";
}

std::vector<std::uint8_t> inEightBits(
    std::vector<std::uint16_t> const& pixels, std::string const& white)
{
    double const value = white == "auto" ? autoWhite(pixels) : std::strtod(white.c_str(), nullptr);
    std::vector<std::uint8_t> table(kVALUES);
    for (std::size_t level = 0; level < kVALUES; ++level)
    {
        table[level] = static_cast<std::uint8_t>(
            std::min(255.0, std::floor(static_cast<double>(level) * 255.0 / value + 0.5)));
    }
    std::vector<std::uint8_t> found(pixels.size());
    std::transform(pixels.begin(), pixels.end(), found.begin(),
        [&table](std::uint16_t pixel) { return table[pixel]; });
    return found;
}

std::vector<std::uint8_t> highBytes(std::vector<std::uint16_t> const& pixels)
{
    std::vector<std::uint8_t> found(pixels.size());
    std::transform(pixels.begin(), pixels.end(), found.begin(),
        [](std::uint16_t pixel) { return static_cast<std::uint8_t>(pixel >> 8U); });
    return found;
}

} // namespace segpp
