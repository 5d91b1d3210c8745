//! PNG and JPEG in memory to RGB, as Pillow decodes and converts them.
#pragma once

#include <segpp/image.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace segpp
{

using Bytes = std::vector<std::uint8_t>;

//! A decoded file: RGB, and what it says of its orientation.
struct Decoded
{
    Image image;
    //! How many channels the file has; a grey JPEG has one, and an image of three.
    int bands{3};
    //! The pixels where 16 bits are kept; else empty.
    std::vector<std::uint16_t> deep;
    //! A block of EXIF from its byte order on, and XMP as text; empty where there is none.
    Bytes exif;
    std::string xmp;
};

//! Why a file cannot be decoded; the caller knows its name.
struct DecodeFailure
{
    std::string reason;
};

//! Throw DecodeFailure for more pixels than Pillow takes, or none.
void checkPixels(std::uint64_t width, std::uint64_t height);

//! Throws DecodeFailure, as decodePngFile does.
Decoded decodeJpegFile(std::uint8_t const* bytes, std::size_t size);

//! keepsDepth: Give 16 bits as they are. keepsAll: Give every channel of the file, transparency
//! too, not RGB.
Decoded decodePngFile(
    std::uint8_t const* bytes, std::size_t size, bool keepsDepth = false, bool keepsAll = false);

//! EXIF orientation, 1 to 8; 1 if nothing readable tells.
int orientationOf(Bytes const& exif, std::string const& xmp);

//! Return a picture turned or mirrored as the orientation says.
Image upright(Image picture, int orientation);

} // namespace segpp
