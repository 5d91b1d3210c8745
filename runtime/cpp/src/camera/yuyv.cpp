#include <segpp/camera.h>

#include <segpp/error.h>

#include <algorithm>
#include <string>

namespace segpp
{
namespace
{

// BT.601 in studio range, in 1/65536: 1.164383 (Y - 16), 1.596027 V, 0.391762 U, 0.812968 V,
// 2.017232 U.
constexpr int kLUMA = 76309;
constexpr int kRED_V = 104597;
constexpr int kGREEN_U = 25675;
constexpr int kGREEN_V = 53279;
constexpr int kBLUE_U = 132201;
constexpr int kHALF = 1 << 15;

std::uint8_t clipped(int value)
{
    return static_cast<std::uint8_t>(std::clamp((value + kHALF) >> 16, 0, 255));
}

void writePixel(int y, int u, int v, std::uint8_t* out)
{
    int const luma = kLUMA * (y - 16);
    out[0] = clipped(luma + kRED_V * (v - 128));
    out[1] = clipped(luma - kGREEN_U * (u - 128) - kGREEN_V * (v - 128));
    out[2] = clipped(luma + kBLUE_U * (u - 128));
}

} // namespace

Image imageFromYuyv(
    std::uint8_t const* bytes, std::size_t size, int height, int width, std::size_t rowBytes)
{
    bool const isPicture = height > 0 && width > 0 && width % 2 == 0;
    auto const needed = static_cast<std::size_t>(std::max(width, 0)) * 2;
    if (!isPicture || rowBytes < needed
        || size < rowBytes * (static_cast<std::size_t>(height) - 1) + needed)
    {
        throw InputError("a frame of " + std::to_string(size) + " bytes is no YUYV of "
            + std::to_string(height) + "x" + std::to_string(width));
    }
    Image out(height, width, 3);
    for (int y = 0; y < height; ++y)
    {
        std::uint8_t const* in = bytes + static_cast<std::size_t>(y) * rowBytes;
        std::uint8_t* to = out.row(y);
        for (int x = 0; x < width; x += 2, in += 4, to += 6)
        {
            writePixel(in[0], in[1], in[3], to);
            writePixel(in[2], in[1], in[3], to + 3);
        }
    }
    return out;
}

} // namespace segpp
