#include "files/decoders.h"

#include <algorithm>
#include <cstring>

namespace segpp
{
namespace
{

constexpr std::uint32_t kORIENTATION = 0x0112;
constexpr std::uint32_t kSHORT = 3;
constexpr std::uint32_t kLONG = 4;
constexpr std::size_t kENTRY_BYTES = 12;

//! A number of two or four bytes in the block's own order, 0 where the block ends before.
struct Block
{
    Bytes const& bytes;
    bool isLittle;

    std::uint32_t number(std::size_t place, std::size_t count) const
    {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < count && place + count <= bytes.size(); ++i)
        {
            value = value << 8U | bytes[place + (isLittle ? count - 1 - i : i)];
        }
        return value;
    }
};

//! The orientation in the first directory of a TIFF block, 0 if there is none.
int fromExif(Bytes const& exif)
{
    if (exif.size() < 8 || (exif[0] != 'I' && exif[0] != 'M') || exif[0] != exif[1])
    {
        return 0;
    }
    Block const block{exif, exif[0] == 'I'};
    std::size_t const directory = block.number(4, 4);
    std::size_t const entries = block.number(directory, 2);
    for (std::size_t i = 0; i < entries; ++i)
    {
        std::size_t const place = directory + 2 + i * kENTRY_BYTES;
        if (block.number(place, 2) == kORIENTATION && place + kENTRY_BYTES <= exif.size())
        {
            std::uint32_t const type = block.number(place + 2, 2);
            return type == kSHORT ? static_cast<int>(block.number(place + 8, 2))
                : type == kLONG   ? static_cast<int>(block.number(place + 8, 4))
                                  : 0;
        }
    }
    return 0;
}

int fromXmp(std::string const& xmp)
{
    static std::string const name = "tiff:Orientation";
    for (std::size_t place = xmp.find(name); place != std::string::npos;
         place = xmp.find(name, place + 1))
    {
        std::string const rest = xmp.substr(place + name.size(), 3);
        std::size_t const digit = rest.compare(0, 2, "=\"") == 0 ? 2 : rest[0] == '>' ? 1 : 0;
        if (digit > 0 && digit < rest.size() && rest[digit] >= '0' && rest[digit] <= '9')
        {
            return rest[digit] - '0';
        }
    }
    return 0;
}

} // namespace

int orientationOf(Bytes const& exif, std::string const& xmp)
{
    int found = fromExif(exif);
    found = found == 0 ? fromXmp(xmp) : found;
    return found >= 1 && found <= 8 ? found : 1;
}

Image upright(Image picture, int orientation)
{
    if (orientation <= 1)
    {
        return picture;
    }
    // As EXIF counts: 2 mirrored, 3 turned half, 4 upside down, 5 to 8 with sides exchanged.
    bool const isExchanged = orientation >= 5;
    bool const fromRight = orientation == 2 || orientation == 3 || orientation == 7
        || orientation == 8;
    bool const fromBelow = orientation == 3 || orientation == 4 || orientation == 6
        || orientation == 7;
    Image out(isExchanged ? picture.width : picture.height,
        isExchanged ? picture.height : picture.width, picture.channels);
    for (int y = 0; y < picture.height; ++y)
    {
        for (int x = 0; x < picture.width; ++x)
        {
            int const row = fromBelow ? picture.height - 1 - y : y;
            int const column = fromRight ? picture.width - 1 - x : x;
            std::uint8_t const* const from
                = picture.row(y) + static_cast<std::ptrdiff_t>(x) * picture.channels;
            std::copy(from, from + picture.channels,
                out.row(isExchanged ? column : row)
                    + static_cast<std::ptrdiff_t>(isExchanged ? row : column) * picture.channels);
        }
    }
    return out;
}

} // namespace segpp
