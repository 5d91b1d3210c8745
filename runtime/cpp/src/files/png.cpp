#include "files/decoders.h"

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <png.h>

namespace segpp
{
namespace
{

// Text and profiles of a picture are small; a bomb among them is refused by libpng.
constexpr png_alloc_size_t kMOST_CHUNK_BYTES = png_alloc_size_t{64} << 20U;
constexpr png_uint_32 kLONGEST_SIDE = 0x7fffffff;

//! Everything that a jump over stack frames must not destroy lives here.
struct Reader
{
    png_structp state{nullptr};
    png_infop info{nullptr};
    std::uint8_t const* next{nullptr};
    std::size_t left{0};
    std::array<char, 128> text{};
    Decoded result;
    std::vector<png_bytep> rows;
    //! Whether 16 bits are kept, and transparency.
    bool isDeep{false};
    bool keepsAll{false};

    Reader() = default;
    Reader(Reader const&) = delete;
    Reader& operator=(Reader const&) = delete;
    ~Reader()
    {
        png_destroy_read_struct(&state, &info, nullptr);
    }
};

[[noreturn]] void giveUp(png_structp state, png_const_charp message)
{
    auto* const reader = static_cast<Reader*>(png_get_error_ptr(state));
    std::snprintf(reader->text.data(), reader->text.size(), "%s", message);
    png_longjmp(state, 1);
}

void stayQuiet(png_structp, png_const_charp)
{
}

void give(png_structp state, png_bytep out, std::size_t count)
{
    auto* const reader = static_cast<Reader*>(png_get_io_ptr(state));
    if (count > reader->left)
    {
        png_error(state, "image file is truncated");
    }
    std::memcpy(out, reader->next, count);
    reader->next += count;
    reader->left -= count;
}

bool isLittleEndian()
{
    std::uint16_t const one = 1;
    std::uint8_t first = 0;
    std::memcpy(&first, &one, 1);
    return first == 1;
}

//! Ask for RGB whatever the file holds, or for all of its channels: no gamma, and of 16 bits the
//! high byte unless the reader takes both.
void askForRgb(Reader& reader)
{
    png_byte const color = png_get_color_type(reader.state, reader.info);
    png_byte const depth = png_get_bit_depth(reader.state, reader.info);
    reader.isDeep = reader.isDeep && depth == 16;
    if (depth == 16 && !reader.isDeep)
    {
        png_set_strip_16(reader.state);
    }
    if (reader.isDeep && isLittleEndian())
    {
        png_set_swap(reader.state);
    }
    if (color == PNG_COLOR_TYPE_PALETTE)
    {
        png_set_palette_to_rgb(reader.state);
    }
    if (color == PNG_COLOR_TYPE_GRAY && depth < 8)
    {
        png_set_expand_gray_1_2_4_to_8(reader.state);
    }
    if ((color & PNG_COLOR_MASK_COLOR) == 0 && !reader.keepsAll)
    {
        png_set_gray_to_rgb(reader.state);
    }
    if (!reader.keepsAll || color == PNG_COLOR_TYPE_PALETTE)
    {
        png_set_strip_alpha(reader.state);
    }
    png_set_interlace_handling(reader.state);
    png_read_update_info(reader.state, reader.info);
}

bool readHeader(Reader& reader)
{
    if (setjmp(png_jmpbuf(reader.state)) != 0)
    {
        return false;
    }
    png_set_read_fn(reader.state, &reader, give);
    png_set_user_limits(reader.state, kLONGEST_SIDE, kLONGEST_SIDE);
    png_set_chunk_malloc_max(reader.state, kMOST_CHUNK_BYTES);
    png_read_info(reader.state, reader.info);
    return true;
}

bool readPixels(Reader& reader)
{
    if (setjmp(png_jmpbuf(reader.state)) != 0)
    {
        return false;
    }
    png_read_image(reader.state, reader.rows.data());
    png_read_end(reader.state, reader.info);
    return true;
}

bool beginPixels(Reader& reader)
{
    if (setjmp(png_jmpbuf(reader.state)) != 0)
    {
        return false;
    }
    askForRgb(reader);
    return true;
}

//! Hexadecimal digits behind three lines, as ImageMagick writes EXIF into a text.
Bytes fromHexadecimal(std::string const& text)
{
    std::size_t place = 0;
    for (int line = 0; line < 3 && place != std::string::npos; ++line)
    {
        place = text.find('\n', place + (line > 0 ? 1 : 0));
    }
    Bytes bytes;
    std::string digits;
    for (; place < text.size(); ++place)
    {
        if (std::isxdigit(static_cast<unsigned char>(text[place])) != 0)
        {
            digits += text[place];
        }
        if (digits.size() == 2)
        {
            bytes.push_back(static_cast<std::uint8_t>(std::stoi(digits, nullptr, 16)));
            digits.clear();
        }
    }
    static constexpr char kEXIF[] = "Exif\0";
    bool const isMarked
        = bytes.size() > sizeof kEXIF && std::memcmp(bytes.data(), kEXIF, sizeof kEXIF) == 0;
    return isMarked ? Bytes(bytes.begin() + sizeof kEXIF, bytes.end()) : bytes;
}

void keepMetadata(Reader& reader)
{
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(reader.state, reader.info, &size, &exif) != 0 && exif != nullptr)
    {
        reader.result.exif.assign(exif, exif + size);
    }
    png_textp texts = nullptr;
    int count = 0;
    png_get_text(reader.state, reader.info, &texts, &count);
    for (int i = 0; i < count; ++i)
    {
        std::string const key = texts[i].key;
        std::string const text = texts[i].text ? texts[i].text : "";
        if (key == "XML:com.adobe.xmp")
        {
            reader.result.xmp = text;
        }
        else if (key == "Raw profile type exif" && size == 0)
        {
            reader.result.exif = fromHexadecimal(text);
        }
    }
}

} // namespace

Decoded decodePngFile(
    std::uint8_t const* bytes, std::size_t size, bool keepsDepth, bool keepsAll)
{
    Reader reader;
    reader.isDeep = keepsDepth;
    reader.keepsAll = keepsAll;
    reader.next = bytes;
    reader.left = size;
    reader.state
        = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, giveUp, stayQuiet);
    reader.info = reader.state ? png_create_info_struct(reader.state) : nullptr;
    if (reader.info == nullptr)
    {
        throw DecodeFailure{"libpng " + std::string(png_get_libpng_ver(nullptr))
            + " does not work with the headers of " PNG_LIBPNG_VER_STRING};
    }
    if (!readHeader(reader))
    {
        throw DecodeFailure{reader.text.data()};
    }
    checkPixels(png_get_image_width(reader.state, reader.info),
        png_get_image_height(reader.state, reader.info));
    auto const width = static_cast<int>(png_get_image_width(reader.state, reader.info));
    auto const height = static_cast<int>(png_get_image_height(reader.state, reader.info));
    if (!beginPixels(reader))
    {
        throw DecodeFailure{reader.text.data()};
    }
    int const channels = png_get_channels(reader.state, reader.info);
    reader.result.bands = channels;
    reader.result.image = Image(height, width, channels);
    std::size_t const values = static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
    if ((!keepsAll && channels != 3)
        || png_get_rowbytes(reader.state, reader.info) != values * (reader.isDeep ? 2 : 1))
    {
        throw DecodeFailure{"its rows are not those of an RGB picture"};
    }
    reader.result.deep.resize(reader.isDeep ? values * static_cast<std::size_t>(height) : 0);
    for (int y = 0; y < height; ++y)
    {
        auto* const wide = reader.result.deep.data() + values * static_cast<std::size_t>(y);
        reader.rows.push_back(
            reader.isDeep ? reinterpret_cast<png_bytep>(wide) : reader.result.image.row(y));
    }
    if (!readPixels(reader))
    {
        throw DecodeFailure{reader.text.data()};
    }
    keepMetadata(reader);
    return std::move(reader.result);
}

} // namespace segpp
