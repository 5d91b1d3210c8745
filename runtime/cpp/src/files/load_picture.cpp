#include <segpp/picture.h>

#include "files/check_file.h"
#include "files/decoders.h"

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
    Bytes const bytes = bytesOf(path, "image", kMOST_BYTES);
    bool const isPng = startsWith(bytes, kPNG);
    if (!isPng && !startsWith(bytes, kJPEG))
    {
        throw InputError(path.string() + " is not an image", {"read are: JPEG, PNG"});
    }
    try
    {
        Decoded decoded = isPng ? decodePngFile(bytes.data(), bytes.size())
                                : decodeJpegFile(bytes.data(), bytes.size());
        int const orientation = orientationOf(decoded.exif, decoded.xmp);
        return upright(std::move(decoded.image), orientation);
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
