#include "files/decoders.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>

namespace segpp
{
namespace
{

constexpr int kEXIF_MARKER = JPEG_APP0 + 1;
constexpr unsigned kLONGEST_MARKER = 0xffff;

//! libjpeg's error state, and where to go on when it gives up.
struct Failure
{
    jpeg_error_mgr manager;
    std::jmp_buf place;
    std::array<char, JMSG_LENGTH_MAX> text;
};

[[noreturn]] void giveUp(j_common_ptr state)
{
    auto* const failure = reinterpret_cast<Failure*>(state->err);
    (*state->err->format_message)(state, failure->text.data());
    std::longjmp(failure->place, 1);
}

void stayQuiet(j_common_ptr)
{
}

//! The file has no more bytes: libjpeg would make up an end and leave the rest grey.
boolean refuseToFill(j_decompress_ptr state)
{
    auto* const failure = reinterpret_cast<Failure*>(state->err);
    std::snprintf(failure->text.data(), failure->text.size(), "image file is truncated");
    std::longjmp(failure->place, 1);
}

//! Everything that a jump over stack frames must not destroy lives here.
struct Reader
{
    jpeg_decompress_struct state{};
    Failure failure{};
    jpeg_source_mgr source{};
    Decoded result;
    Bytes row;

    Reader(std::uint8_t const* bytes, std::size_t size)
    {
        state.err = jpeg_std_error(&failure.manager);
        failure.manager.error_exit = giveUp;
        failure.manager.output_message = stayQuiet;
        source.next_input_byte = bytes;
        source.bytes_in_buffer = size;
        source.init_source = [](j_decompress_ptr) {};
        source.fill_input_buffer = refuseToFill;
        source.skip_input_data = [](j_decompress_ptr info, long count) {
            if (count > 0 && static_cast<std::size_t>(count) > info->src->bytes_in_buffer)
            {
                refuseToFill(info);
            }
            std::size_t const skipped = count > 0 ? static_cast<std::size_t>(count) : 0;
            info->src->next_input_byte += skipped;
            info->src->bytes_in_buffer -= skipped;
        };
        source.resync_to_restart = jpeg_resync_to_restart;
        source.term_source = [](j_decompress_ptr) {};
    }
    Reader(Reader const&) = delete;
    Reader& operator=(Reader const&) = delete;
    ~Reader()
    {
        jpeg_destroy_decompress(&state);
    }
};

//! Read the header; false if libjpeg gave up.
bool readHeader(Reader& reader)
{
    if (setjmp(reader.failure.place) != 0)
    {
        return false;
    }
    jpeg_create_decompress(&reader.state);
    reader.state.src = &reader.source;
    jpeg_save_markers(&reader.state, kEXIF_MARKER, kLONGEST_MARKER);
    jpeg_read_header(&reader.state, TRUE);
    bool const isCmyk = reader.state.num_components == 4;
    reader.state.out_color_space = isCmyk ? JCS_CMYK
        : reader.state.num_components == 1 ? JCS_GRAYSCALE
                                           : JCS_RGB;
    return true;
}

//! Decode one row into `reader.row`, or false.
bool readRows(Reader& reader, void (*convert)(std::uint8_t const*, std::uint8_t*, int))
{
    if (setjmp(reader.failure.place) != 0)
    {
        return false;
    }
    jpeg_start_decompress(&reader.state);
    while (reader.state.output_scanline < reader.state.output_height)
    {
        JSAMPROW row = reader.row.data();
        int const y = static_cast<int>(reader.state.output_scanline);
        jpeg_read_scanlines(&reader.state, &row, 1);
        convert(row, reader.result.image.row(y), reader.result.image.width);
    }
    jpeg_finish_decompress(&reader.state);
    return true;
}

void fromRgb(std::uint8_t const* in, std::uint8_t* out, int width)
{
    std::copy(in, in + static_cast<std::ptrdiff_t>(width) * 3, out);
}

void fromGrey(std::uint8_t const* in, std::uint8_t* out, int width)
{
    for (int x = 0; x < width; ++x, out += 3)
    {
        std::fill(out, out + 3, in[x]);
    }
}

//! Inks as Adobe stores them, 255 for none; a colour is what white is left of it by its ink and
//! black, in Pillow's rounding.
void fromInks(std::uint8_t const* in, std::uint8_t* out, int width)
{
    for (int x = 0; x < width; ++x, in += 4)
    {
        int const rest = in[3];
        for (int channel = 0; channel < 3; ++channel)
        {
            int const product = (255 - in[channel]) * rest + 128;
            *out++ = static_cast<std::uint8_t>(
                std::clamp(rest - (((product >> 8) + product) >> 8), 0, 255));
        }
    }
}

//! Sort the saved markers into EXIF, whose blocks follow each other, and XMP.
void keepMarkers(Reader& reader)
{
    static constexpr char kEXIF[] = "Exif\0";
    static constexpr char kXMP[] = "http://ns.adobe.com/xap/1.0/";
    for (jpeg_saved_marker_ptr marker = reader.state.marker_list; marker; marker = marker->next)
    {
        auto const* const data = reinterpret_cast<char const*>(marker->data);
        std::size_t const size = marker->data_length;
        if (size >= sizeof kEXIF && std::memcmp(data, kEXIF, sizeof kEXIF) == 0)
        {
            reader.result.exif.insert(reader.result.exif.end(), marker->data + sizeof kEXIF,
                marker->data + size);
        }
        else if (size > sizeof kXMP && std::memcmp(data, kXMP, sizeof kXMP) == 0)
        {
            reader.result.xmp.assign(data + sizeof kXMP, size - sizeof kXMP);
        }
    }
}

} // namespace

Decoded decodeJpegFile(std::uint8_t const* bytes, std::size_t size)
{
    Reader reader(bytes, size);
    if (!readHeader(reader))
    {
        throw DecodeFailure{reader.failure.text.data()};
    }
    checkPixels(reader.state.image_width, reader.state.image_height);
    keepMarkers(reader);
    auto const width = static_cast<int>(reader.state.image_width);
    reader.row.resize(static_cast<std::size_t>(width) * 4);
    reader.result.image = Image(static_cast<int>(reader.state.image_height), width, 3);
    reader.result.bands = reader.state.out_color_space == JCS_GRAYSCALE ? 1 : 3;
    auto const convert = reader.state.out_color_space == JCS_CMYK ? fromInks
        : reader.state.out_color_space == JCS_GRAYSCALE           ? fromGrey
                                                                  : fromRgb;
    if (!readRows(reader, convert))
    {
        throw DecodeFailure{reader.failure.text.data()};
    }
    return std::move(reader.result);
}

} // namespace segpp
