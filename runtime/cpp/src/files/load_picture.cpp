#include <segpp/picture.h>

#include "files/check_file.h"
#include "files/decoders.h"
#include "files/white.h"

#include <segpp/error.h>

#include <algorithm>

namespace segpp
{
namespace
{

// Pillow refuses more: a file of a few kilobytes can ask for any amount of memory.
constexpr std::uint64_t kMOST_PIXELS = 178'956'970;
// 178 million pixels of 16-bit RGBA, not packed at all.
constexpr std::uintmax_t kMOST_BYTES = std::uintmax_t{2} << 30U;

constexpr std::uint8_t kPNG[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::uint8_t kJPEG[] = {0xff, 0xd8, 0xff};

template <std::size_t N>
bool startsWith(Bytes const& bytes, std::uint8_t const (&head)[N])
{
    return bytes.size() >= N && std::equal(head, head + N, bytes.begin());
}

//! The channels that a network takes of a file, one standing for grey; empty for all.
std::vector<std::int64_t> bandsOf(
    std::filesystem::path const& path, Decoded const& decoded, InputSpec const& spec)
{
    std::vector<std::int64_t> bands = spec.bands;
    for (std::int64_t const band : bands)
    {
        if (band < 1 || band > decoded.bands)
        {
            throw InputError(path.string() + " has " + std::to_string(decoded.bands)
                + " band(s), and no band " + std::to_string(band));
        }
    }
    if (bands.size() == 1 && spec.channels() != 1)
    {
        bands.resize(3, bands.front());
    }
    return bands;
}

//! The values of some of a picture's channels.
template <typename T>
std::vector<T> picked(
    std::vector<T> const& all, int channels, std::vector<std::int64_t> const& bands)
{
    std::vector<T> some;
    some.reserve(all.size() / static_cast<std::size_t>(channels) * bands.size());
    for (auto pixel = all.begin(); pixel != all.end(); pixel += channels)
    {
        for (std::int64_t const band : bands)
        {
            some.push_back(pixel[band - 1]);
        }
    }
    return some;
}

//! Whether no value of 16 bits reaches a quarter of what they hold; what is all zero is black
//! whatever white is.
bool isNearlyBlack(std::vector<std::uint16_t> const& pixels)
{
    constexpr std::uint16_t kQUARTER = 1U << 14U;
    auto const most = std::max_element(pixels.begin(), pixels.end());
    return most != pixels.end() && *most > 0 && *most < kQUARTER;
}

Image pictureOf(std::filesystem::path const& path, Decoded decoded, InputSpec const& spec,
    bool* isTooDark)
{
    std::vector<std::int64_t> const bands = bandsOf(path, decoded, spec);
    Image image = std::move(decoded.image);
    if (!bands.empty())
    {
        decoded.deep = picked(decoded.deep, image.channels, bands);
        image.pixels = picked(image.pixels, image.channels, bands);
        image.channels = static_cast<int>(bands.size());
    }
    if (!decoded.deep.empty())
    {
        image.pixels = isScaled(spec.white) ? inEightBits(decoded.deep, spec.white)
                                            : highBytes(decoded.deep);
        *isTooDark = spec.white.empty() && isNearlyBlack(decoded.deep);
    }
    return image;
}

} // namespace

void checkPixels(std::uint64_t width, std::uint64_t height)
{
    if (width == 0 || height == 0)
    {
        throw DecodeFailure{"it has no pixels"};
    }
    if (width > kMOST_PIXELS || height > kMOST_PIXELS || width * height > kMOST_PIXELS)
    {
        throw DecodeFailure{"it has " + grouped(width) + " x " + grouped(height)
            + " pixels, and the limit is " + grouped(kMOST_PIXELS)};
    }
}

Image loadPicture(std::filesystem::path const& path)
{
    return loadPicture(path, InputSpec{});
}

Image loadPicture(std::filesystem::path const& path, InputSpec const& spec, std::string* note)
{
    Bytes const bytes = bytesOf(path, "image", kMOST_BYTES);
    bool const isPng = startsWith(bytes, kPNG);
    if (!isPng && !startsWith(bytes, kJPEG))
    {
        throw InputError(path.string() + " is not an image", {"read are: JPEG, PNG"});
    }
    try
    {
        bool const keepsAll = !spec.bands.empty();
        // 16 bits are also looked at where nobody says what is white.
        bool const keepsDepth = spec.white.empty() || isScaled(spec.white);
        Decoded decoded = isPng
            ? decodePngFile(bytes.data(), bytes.size(), keepsDepth, keepsAll)
            : decodeJpegFile(bytes.data(), bytes.size());
        int const orientation = orientationOf(decoded.exif, decoded.xmp);
        bool isTooDark = false;
        Image const picture = pictureOf(path, std::move(decoded), spec, &isTooDark);
        if (note != nullptr && isTooDark)
        {
            *note = path.string() + " is nearly black: of its 16 bits less than a quarter is used; "
                "say what is white: segpp-export --white";
        }
        return upright(picture, orientation);
    }
    catch (DecodeFailure const& failure)
    {
        throw InputError(path.string() + " is damaged", {failure.reason});
    }
}

Image decodeJpeg(std::uint8_t const* bytes, std::size_t size)
{
    try
    {
        return decodeJpegFile(bytes, size).image;
    }
    catch (DecodeFailure const& failure)
    {
        throw InputError("a JPEG is damaged", {failure.reason});
    }
}

} // namespace segpp
