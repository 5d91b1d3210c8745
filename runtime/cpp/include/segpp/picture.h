//! Picture files: PNG and JPEG in, masks and overlays out.
#pragma once

#include <segpp/image.h>
#include <segpp/labels.h>
#include <segpp/manifest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace segpp
{

//! Read a PNG or JPEG file as RGB, upright (EXIF orientation is applied).
//!
//! Grey, palette, CMYK and 16-bit pictures are converted (the high byte counts), transparency is
//! dropped: the same bytes as segpp.load_image in Python.
//!
//! Throws InputError: it is missing, not such a picture, damaged, truncated, or larger than
//! 178,956,970 pixels.
Image loadPicture(std::filesystem::path const& path);

//! The same for a network that says in its manifest what is white of 16 bits (`input.white`), or
//! which channels of a file it takes (`input.bands`): the same bytes as segpp-run in Python.
//!
//! Throws InputError: also where the file has not these bands.
//!
//! note: Set to a sentence if 16 bits hold so little that the picture is nearly black, and the
//! manifest says nothing of what is white; left alone otherwise.
Image loadPicture(
    std::filesystem::path const& path, InputSpec const& spec, std::string* note = nullptr);

//! The same for a JPEG in memory, as cameras give them; no orientation is applied.
Image decodeJpeg(std::uint8_t const* bytes, std::size_t size);

//! Write class numbers as PNG, whole or not at all: with a palette up to 256 classes, else 16 bits
//! of grey, where 65535 stands for -1.
//!
//! Throws InputError: it cannot be written there.
void writeMask(std::filesystem::path const& path, Labels const& labels, Classes const& classes);

//! Return the picture with its classes painted over it, alpha of 0 to 1 being the colours' share;
//! pixels without a class keep the picture.
//!
//! Throws InputError: picture and labels are of different sizes, or alpha is out of range.
Image paintOver(
    ImageView const& picture, Labels const& labels, Classes const& classes, double alpha = 0.5);

//! Write an RGB picture as PNG, whole or not at all.
//!
//! Throws InputError: it cannot be written there.
void writePicture(std::filesystem::path const& path, Image const& picture);

//! Throw InputError unless `path` may be written: it is free, or holds a picture that segpp wrote,
//! or `force`; and is none of `inputs`, forced or not.
void checkOutput(std::filesystem::path const& path,
    std::vector<std::filesystem::path> const& inputs, bool force);

} // namespace segpp
