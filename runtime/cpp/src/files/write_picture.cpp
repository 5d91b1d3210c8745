#include <segpp/picture.h>

#include "files/write_whole.h"

#include <segpp/error.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csetjmp>
#include <fstream>
#include <string>
#include <string_view>

#include <png.h>

namespace segpp
{
namespace
{

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kENTRIES = 256;
constexpr std::size_t kHEAD_BYTES = std::size_t{1} << 14U;
// By which segpp knows its own pictures.
constexpr std::string_view kMARK{"tEXtSoftware\0segpp", 18};

//! What a PNG is to hold: rows of samples, and a palette if they are class numbers of 8 bits.
struct Content
{
    int height;
    int width;
    int depth;
    int color;
    std::array<png_color, kENTRIES> palette;
    std::vector<png_const_bytep> rows;
};

void collect(png_structp state, png_bytep bytes, std::size_t count)
{
    auto* const out = static_cast<Bytes*>(png_get_io_ptr(state));
    out->insert(out->end(), bytes, bytes + count);
}

bool encode(png_structp state, png_infop info, Content const& content, Bytes& out)
{
    if (setjmp(png_jmpbuf(state)) != 0)
    {
        return false;
    }
    png_set_write_fn(state, &out, collect, nullptr);
    // A third larger, and five times as fast as the default.
    png_set_compression_level(state, 1);
    png_set_IHDR(state, info, static_cast<png_uint_32>(content.width),
        static_cast<png_uint_32>(content.height), content.depth, content.color, PNG_INTERLACE_NONE,
        PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (content.color == PNG_COLOR_TYPE_PALETTE)
    {
        png_set_PLTE(state, info, content.palette.data(), kENTRIES);
    }
    char key[] = "Software";
    char mark[] = "segpp";
    png_text text{};
    text.compression = PNG_TEXT_COMPRESSION_NONE;
    text.key = key;
    text.text = mark;
    text.text_length = sizeof mark - 1;
    png_set_text(state, info, &text, 1);
    png_write_info(state, info);
    png_write_image(state, const_cast<png_bytepp>(content.rows.data()));
    png_write_end(state, info);
    return true;
}

void ignore(png_structp, png_const_charp)
{
}

void write(std::filesystem::path const& path, Content const& content)
{
    Bytes out;
    png_structp state = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, ignore);
    png_infop info = state ? png_create_info_struct(state) : nullptr;
    bool const isDone = info != nullptr && encode(state, info, content, out);
    png_destroy_write_struct(&state, &info);
    if (!isDone)
    {
        throw InputError("libpng cannot encode " + path.string());
    }
    writeWhole(path, out);
}

std::array<png_color, kENTRIES> paletteOf(Classes const& classes)
{
    std::array<png_color, kENTRIES> palette{};
    std::size_t const count = std::min(kENTRIES, classes.palette.size());
    for (std::size_t i = 0; i < count; ++i)
    {
        auto const [red, green, blue] = classes.palette[i];
        palette[i] = {red, green, blue};
    }
    return palette;
}

Bytes highByteFirst(Labels const& labels)
{
    Bytes samples;
    for (std::int32_t const label : std::get<1>(labels.values))
    {
        samples.push_back(static_cast<std::uint8_t>((label >> 8) & 0xff));
        samples.push_back(static_cast<std::uint8_t>(label & 0xff));
    }
    return samples;
}

bool isOwn(std::filesystem::path const& path)
{
    std::ifstream file(path, std::ios::binary);
    std::string head(kHEAD_BYTES, '\0');
    file.read(head.data(), static_cast<std::streamsize>(head.size()));
    head.resize(static_cast<std::size_t>(file.gcount()));
    return head.empty() || head.find(kMARK) != std::string::npos;
}

void addRows(Content& content, std::uint8_t const* first, std::size_t rowBytes)
{
    for (int y = 0; y < content.height; ++y)
    {
        content.rows.push_back(first + static_cast<std::size_t>(y) * rowBytes);
    }
}

} // namespace

void writeMask(std::filesystem::path const& path, Labels const& labels, Classes const& classes)
{
    bool const isBytes = labels.isBytes();
    Content content{labels.height, labels.width, isBytes ? 8 : 16,
        isBytes ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY, paletteOf(classes), {}};
    Bytes const wide = isBytes ? Bytes{} : highByteFirst(labels);
    std::size_t const rowBytes = static_cast<std::size_t>(labels.width) * (isBytes ? 1 : 2);
    addRows(content, isBytes ? labels.bytes().data() : wide.data(), rowBytes);
    write(path, content);
}

Image paintOver(
    ImageView const& picture, Labels const& labels, Classes const& classes, double alpha)
{
    if (picture.height != labels.height || picture.width != labels.width || picture.channels != 3)
    {
        throw InputError("a picture and labels do not fit together",
            {"picture: " + std::to_string(picture.height) + "x" + std::to_string(picture.width),
                "labels:  " + std::to_string(labels.height) + "x" + std::to_string(labels.width)});
    }
    if (!(alpha >= 0.0 && alpha <= 1.0))
    {
        throw InputError("alpha is " + std::to_string(alpha),
            {"expected: between 0 (image) and 1 (colours)"});
    }
    // In 1/256, rounded to even as Python rounds: 0 and 1 come out exact.
    auto const share = static_cast<int>(std::nearbyint(alpha * 256.0));
    Image out(picture.height, picture.width, 3);
    auto const known = static_cast<int>(classes.palette.size());
    for (int y = 0; y < out.height; ++y)
    {
        std::uint8_t const* from = picture.pixels + y * picture.rowBytes;
        std::uint8_t* to = out.row(y);
        for (int x = 0; x < out.width; ++x, from += 3, to += 3)
        {
            int const label = labels.at(y, x);
            for (std::size_t channel = 0; channel < 3; ++channel)
            {
                bool const has = label >= 0 && label < known;
                int const color
                    = has ? classes.palette[static_cast<std::size_t>(label)][channel] : 0;
                int const blend = from[channel] * (256 - share) + color * share + 128;
                to[channel] = has ? static_cast<std::uint8_t>(blend >> 8) : from[channel];
            }
        }
    }
    return out;
}

void writePicture(std::filesystem::path const& path, Image const& picture)
{
    if (picture.channels != 3)
    {
        throw InputError("a picture of " + std::to_string(picture.channels)
            + " channels is no RGB picture");
    }
    Content content{picture.height, picture.width, 8, PNG_COLOR_TYPE_RGB, {}, {}};
    addRows(content, picture.pixels.data(), static_cast<std::size_t>(picture.width) * 3);
    write(path, content);
}

void checkOutput(std::filesystem::path const& path,
    std::vector<std::filesystem::path> const& inputs, bool force)
{
    std::error_code failure;
    auto const status = std::filesystem::status(path, failure);
    if (!std::filesystem::exists(status))
    {
        return;
    }
    if (!std::filesystem::is_regular_file(status))
    {
        throw InputError(path.string() + " is no file", {}, "give the name of a file");
    }
    for (std::filesystem::path const& input : inputs)
    {
        if (std::filesystem::equivalent(path, input, failure))
        {
            throw InputError(
                path.string() + " is the input itself, and would be replaced by a picture", {},
                "write to another file");
        }
    }
    if (!force && !isOwn(path))
    {
        throw InputError(path.string() + " exists, and is not a picture that segpp wrote", {},
            "name another file, or replace this one: --force");
    }
}

} // namespace segpp
