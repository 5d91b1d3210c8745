#include "images/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

// One side is resized after the other, columns first (as Pillow up to 12 does at once, and from 13
// on if it is called twice), with a rounding to 8 bits in between. Along a
// side the output's pixel i lies at c = low + (i + 1/2) * s of the input, with s input pixels for
// each of the output. The filter is as wide as its support, times s where that is above 1. Weights
// are normalised in double precision and rounded to whole numbers of 2^-22; a sum of products
// starts at one half and is cut to 0-255.

namespace segpp
{
namespace
{

constexpr int kBITS = 32 - 8 - 2;
constexpr std::int32_t kHALF = 1 << (kBITS - 1);

//! For every output pixel along a side: the first input pixel and the weights from there on.
struct Weights
{
    //! Room for the weights of each.
    int most{0};
    std::vector<int> first;
    std::vector<int> count;
    std::vector<std::int32_t> values;
};

double triangle(double x)
{
    x = std::abs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

//! Keys' cubic with a = -1/2.
double cubic(double x)
{
    constexpr double a = -0.5;
    x = std::abs(x);
    if (x < 1.0)
    {
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    }
    return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

std::int32_t rounded(double weight)
{
    double const scaled = weight * (1 << kBITS);
    return static_cast<std::int32_t>(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

//! Write the weights of the output pixel at `center`.
void weigh(Weights& all, int index, double center, double scale, Filter filter)
{
    std::vector<double> exact;
    double sum = 0.0;
    int const first = all.first[static_cast<std::size_t>(index)];
    for (int i = 0; i < all.count[static_cast<std::size_t>(index)]; ++i)
    {
        double const x = (i + first - center + 0.5) * scale;
        exact.push_back(filter == Filter::kBICUBIC ? cubic(x) : triangle(x));
        sum += exact.back();
    }
    for (std::size_t i = 0; i < exact.size(); ++i)
    {
        double const weight = sum == 0.0 ? exact[i] : exact[i] / sum;
        all.values[static_cast<std::size_t>(index) * static_cast<std::size_t>(all.most) + i]
            = rounded(weight);
    }
}

Weights weightsOf(int length, float low, float high, int wanted, Filter filter)
{
    double const step = static_cast<double>(high - low) / wanted;
    double const wide = std::max(step, 1.0);
    double const reach = (filter == Filter::kBICUBIC ? 2.0 : 1.0) * wide;
    Weights all;
    all.most = static_cast<int>(std::ceil(reach)) * 2 + 1;
    all.first.resize(static_cast<std::size_t>(wanted));
    all.count.resize(static_cast<std::size_t>(wanted));
    all.values.resize(static_cast<std::size_t>(wanted) * static_cast<std::size_t>(all.most));
    for (int i = 0; i < wanted; ++i)
    {
        double const center = low + (i + 0.5) * step;
        int const first = std::max(0, static_cast<int>(center - reach + 0.5));
        int const after = std::min(length, static_cast<int>(center + reach + 0.5));
        all.first[static_cast<std::size_t>(i)] = first;
        all.count[static_cast<std::size_t>(i)] = after - first;
        weigh(all, i, center, 1.0 / wide, filter);
    }
    return all;
}

std::uint8_t clipped(std::int32_t sum)
{
    return static_cast<std::uint8_t>(std::clamp(sum >> kBITS, 0, 255));
}

template <int CHANNELS>
void resizeRow(std::uint8_t const* in, std::uint8_t* out, Weights const& all, int channels)
{
    int const step = CHANNELS > 0 ? CHANNELS : channels;
    for (std::size_t i = 0; i < all.first.size(); ++i)
    {
        std::int32_t const* const weights = &all.values[i * static_cast<std::size_t>(all.most)];
        std::uint8_t const* const from = in + static_cast<std::ptrdiff_t>(all.first[i]) * step;
        for (int channel = 0; channel < step; ++channel)
        {
            std::int32_t sum = kHALF;
            for (int tap = 0; tap < all.count[i]; ++tap)
            {
                sum += from[tap * step + channel] * weights[tap];
            }
            *out++ = clipped(sum);
        }
    }
}

Image resizedAcross(ImageView const& picture, Weights const& all)
{
    Image out(picture.height, static_cast<int>(all.first.size()), picture.channels);
    auto const resize = picture.channels == 3 ? resizeRow<3> : resizeRow<0>;
    for (int y = 0; y < picture.height; ++y)
    {
        resize(picture.pixels + y * picture.rowBytes, out.row(y), all, picture.channels);
    }
    return out;
}

Image resizedDown(ImageView const& picture, Weights const& all)
{
    Image out(static_cast<int>(all.first.size()), picture.width, picture.channels);
    std::size_t const values
        = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.channels);
    std::vector<std::int32_t> sums(values);
    for (std::size_t i = 0; i < all.first.size(); ++i)
    {
        std::fill(sums.begin(), sums.end(), kHALF);
        std::int32_t const* const weights = &all.values[i * static_cast<std::size_t>(all.most)];
        for (int tap = 0; tap < all.count[i]; ++tap)
        {
            std::int32_t const weight = weights[tap];
            std::uint8_t const* const row
                = picture.pixels + (all.first[i] + tap) * picture.rowBytes;
            for (std::size_t x = 0; x < values; ++x)
            {
                sums[x] += row[x] * weight;
            }
        }
        std::transform(sums.begin(), sums.end(), out.row(static_cast<int>(i)), clipped);
    }
    return out;
}

//! Which input pixel each output pixel takes, -1 for none. Pillow adds up the step, and so do we.
std::vector<int> nearest(int length, float low, float high, int wanted)
{
    double const step = static_cast<double>(high - low) / wanted;
    double place = low + step * 0.5;
    std::vector<int> taken(static_cast<std::size_t>(wanted), -1);
    for (int& one : taken)
    {
        one = place < 0.0 || place >= length ? -1 : static_cast<int>(place);
        place += step;
    }
    return taken;
}

Image takeNearest(ImageView const& picture, Box const& box, int height, int width)
{
    std::vector<int> const rows = nearest(picture.height, box.top, box.bottom, height);
    std::vector<int> const columns = nearest(picture.width, box.left, box.right, width);
    auto const pixel = static_cast<std::size_t>(picture.channels);
    Image out(height, width, picture.channels);
    for (int y = 0; y < height; ++y)
    {
        int const from = rows[static_cast<std::size_t>(y)];
        std::uint8_t* to = out.row(y);
        for (std::size_t x = 0; x < columns.size() && from >= 0; ++x, to += pixel)
        {
            if (columns[x] >= 0)
            {
                std::memcpy(to,
                    picture.pixels + from * picture.rowBytes
                        + static_cast<std::ptrdiff_t>(columns[x]) * picture.channels,
                    pixel);
            }
        }
    }
    return out;
}

//! All of a picture, in memory of its own.
Image copied(ImageView const& picture)
{
    Image out(picture.height, picture.width, picture.channels);
    auto const bytes
        = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.channels);
    for (int y = 0; y < picture.height; ++y)
    {
        std::memcpy(out.row(y), picture.pixels + y * picture.rowBytes, bytes);
    }
    return out;
}

} // namespace

Image resample(ImageView const& picture, Box const& box, int height, int width, Filter filter)
{
    bool const isAsWide
        = width == picture.width && box.left == 0.0F && box.right == static_cast<float>(width);
    bool const isAsHigh
        = height == picture.height && box.top == 0.0F && box.bottom == static_cast<float>(height);
    if (isAsWide && isAsHigh)
    {
        return copied(picture);
    }
    if (filter == Filter::kNEAREST)
    {
        return takeNearest(picture, box, height, width);
    }
    if (isAsHigh)
    {
        return resizedAcross(picture, weightsOf(picture.width, box.left, box.right, width, filter));
    }
    Weights const down = weightsOf(picture.height, box.top, box.bottom, height, filter);
    if (isAsWide)
    {
        return resizedDown(picture, down);
    }
    return resizedDown(
        resizedAcross(picture, weightsOf(picture.width, box.left, box.right, width, filter)), down);
}

Image resample(ImageView const& picture, int height, int width, Filter filter)
{
    Box const whole{
        0.0F, 0.0F, static_cast<float>(picture.width), static_cast<float>(picture.height)};
    return resample(picture, whole, height, width, filter);
}

} // namespace segpp
