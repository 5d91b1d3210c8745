#include "images/preprocess.h"

#include "images/half.h"
#include "images/placement.h"
#include "images/resample.h"

#include <segpp/error.h>

#include <array>
#include <cstdint>
#include <string>

namespace segpp
{
namespace
{

//! What each of the 256 values of a pixel becomes.
template <typename T>
using Table = std::array<T, 256>;

void fillTable(Table<std::uint8_t>& table, InputSpec const&, std::size_t)
{
    for (std::size_t i = 0; i < table.size(); ++i)
    {
        table[i] = static_cast<std::uint8_t>(i);
    }
}

void fillTable(Table<float>& table, InputSpec const& spec, std::size_t channel)
{
    auto const mean = static_cast<float>(spec.mean[channel]);
    auto const std = static_cast<float>(spec.std[channel]);
    for (std::size_t i = 0; i < table.size(); ++i)
    {
        table[i] = (static_cast<float>(i) - mean) / std;
    }
}

void fillTable(Table<std::uint16_t>& table, InputSpec const& spec, std::size_t channel)
{
    Table<float> exact{};
    fillTable(exact, spec, channel);
    for (std::size_t i = 0; i < table.size(); ++i)
    {
        table[i] = halfFromFloat(exact[i]);
    }
}

//! Write a picture of the input's size into one place of the batch.
template <typename T>
void write(Image const& picture, InputSpec const& spec, T* out)
{
    std::ptrdiff_t const pixels = static_cast<std::ptrdiff_t>(picture.height) * picture.width;
    std::ptrdiff_t const channels = picture.channels;
    bool const isPlanar = spec.layout == Layout::kNCHW;
    for (std::ptrdiff_t channel = 0; channel < channels; ++channel)
    {
        Table<T> table{};
        fillTable(table, spec, static_cast<std::size_t>(channel));
        std::uint8_t const* from
            = picture.pixels.data() + sourceOf(static_cast<int>(channel), spec);
        T* to = out + (isPlanar ? channel * pixels : channel);
        std::ptrdiff_t const step = isPlanar ? 1 : channels;
        for (std::ptrdiff_t i = 0; i < pixels; ++i, from += channels, to += step)
        {
            *to = table[*from];
        }
    }
}

//! The picture at the input's size, padded or cut as the fit says.
Image fitted(ImageView const& picture, InputSpec const& spec)
{
    if (spec.fit == Fit::kSTRETCH)
    {
        return resample(picture, spec.height(), spec.width(), spec.filter);
    }
    Placement const placed = place(picture.height, picture.width, spec);
    if (spec.fit == Fit::kCROP)
    {
        auto const [top, bottom] = placed.rows.cut();
        auto const [left, right] = placed.columns.cut();
        Box const box{static_cast<float>(left), static_cast<float>(top),
            static_cast<float>(right), static_cast<float>(bottom)};
        return resample(picture, box, spec.height(), spec.width(), spec.filter);
    }
    return padPicture(
        resample(picture, placed.rows.content, placed.columns.content, spec.filter), spec);
}

std::string sizeText(ImageView const& picture)
{
    return "(" + std::to_string(picture.height) + ", " + std::to_string(picture.width) + ", "
        + std::to_string(picture.channels) + ")";
}

std::size_t bytesOfElement(std::string const& dtype)
{
    struct Known
    {
        char const* name;
        std::size_t bytes;
    };
    constexpr std::array<Known, 9> known{{{"float32", 4}, {"float16", 2}, {"uint8", 1}, {"int8", 1},
        {"int16", 2}, {"uint16", 2}, {"int32", 4}, {"uint32", 4}, {"int64", 8}}};
    for (Known const& one : known)
    {
        if (dtype == one.name)
        {
            return one.bytes;
        }
    }
    throw InputError("a tensor of " + dtype, {"known: float32, float16 and integers to 64 bits"});
}

} // namespace

void checkPicture(ImageView const& picture, InputSpec const& spec)
{
    if (picture.pixels == nullptr || picture.height < 1 || picture.width < 1)
    {
        throw InputError("a picture " + sizeText(picture) + " has no pixels");
    }
    if (picture.channels != spec.channels())
    {
        throw InputError("the network takes " + std::to_string(spec.channels()) + " channels",
            {"found: " + sizeText(picture)});
    }
    if (picture.rowBytes < static_cast<std::ptrdiff_t>(picture.width) * picture.channels)
    {
        throw InputError("a picture " + sizeText(picture) + " with rows "
            + std::to_string(picture.rowBytes) + " bytes apart");
    }
}

Image padPicture(ImageView const& picture, InputSpec const& spec)
{
    Image canvas(spec.height(), spec.width(), spec.channels());
    std::vector<std::uint8_t> const color = paddingOf(spec);
    auto const channels = static_cast<std::size_t>(canvas.channels);
    std::vector<std::uint8_t> pixel(channels);
    for (std::size_t channel = 0; channel < channels; ++channel)
    {
        pixel[channel] = color[static_cast<std::size_t>(sourceOf(static_cast<int>(channel), spec))];
    }
    for (std::size_t i = 0; i < canvas.pixels.size(); ++i)
    {
        canvas.pixels[i] = pixel[i % channels];
    }
    std::ptrdiff_t const bytes = static_cast<std::ptrdiff_t>(picture.width) * picture.channels;
    for (int y = 0; y < picture.height; ++y)
    {
        std::uint8_t const* const from = picture.pixels + y * picture.rowBytes;
        std::copy(from, from + bytes, canvas.row(y));
    }
    return canvas;
}

void prepare(ImageView const& picture, InputSpec const& spec, int index, void* tensor)
{
    Image const ready = fitted(picture, spec);
    auto const place = static_cast<std::ptrdiff_t>(ready.pixels.size()) * index;
    if (spec.dtype == "uint8")
    {
        write(ready, spec, static_cast<std::uint8_t*>(tensor) + place);
    }
    else if (spec.dtype == "float16")
    {
        write(ready, spec, static_cast<std::uint16_t*>(tensor) + place);
    }
    else
    {
        write(ready, spec, static_cast<float*>(tensor) + place);
    }
}

std::size_t bytesOfTensor(std::vector<std::int64_t> const& shape, std::string const& dtype)
{
    std::size_t bytes = bytesOfElement(dtype);
    for (std::int64_t const side : shape)
    {
        bytes *= static_cast<std::size_t>(side);
    }
    return bytes;
}

} // namespace segpp
