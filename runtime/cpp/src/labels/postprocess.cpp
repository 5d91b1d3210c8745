#include "labels/postprocess.h"

#include "images/half.h"

#include <segpp/error.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

namespace segpp
{
namespace
{

constexpr std::size_t kBYTE_CLASSES = 256;
// Masks are written with 16 bits, of which the last number stands for -1.
constexpr std::int64_t kMOST_LABELS = (1 << 16) - 1;

std::size_t valuesOf(std::vector<std::int64_t> const& shape, std::size_t first)
{
    std::size_t values = 1;
    for (std::size_t i = first; i < shape.size(); ++i)
    {
        values *= static_cast<std::size_t>(shape[i]);
    }
    return values;
}

template <typename T, typename Convert>
std::size_t countFinite(void const* raw, std::size_t values, Convert convert)
{
    auto const* const from = static_cast<T const*>(raw);
    std::size_t finite = 0;
    for (std::size_t i = 0; i < values; ++i)
    {
        finite += std::isfinite(convert(from[i])) ? 1 : 0;
    }
    return finite;
}

template <typename T, typename Convert>
void copyPlanes(void const* raw, OutputSpec const& output, int index, Logits& out, Convert convert)
{
    std::size_t const pixels = static_cast<std::size_t>(out.height) * out.width;
    auto const classes = static_cast<std::size_t>(out.classes);
    T const* const from
        = static_cast<T const*>(raw) + static_cast<std::size_t>(index) * pixels * classes;
    bool const isPlanar = output.layout == Layout::kNCHW;
    for (std::size_t k = 0; k < classes; ++k)
    {
        for (std::size_t i = 0; i < pixels; ++i)
        {
            out.values[k * pixels + i]
                = convert(isPlanar ? from[k * pixels + i] : from[i * classes + k]);
        }
    }
}

template <typename T>
void copyLabels(void const* raw, std::size_t first, std::vector<std::int64_t>& out)
{
    T const* const from = static_cast<T const*>(raw) + first;
    std::copy(from, from + out.size(), out.begin());
}

struct Type
{
    char const* name;
    void (*copy)(void const*, std::size_t, std::vector<std::int64_t>&);
};

// TensorRT plugins cannot give uint8, so our files give the same bits as int8.
constexpr std::array<Type, 7> kTYPES{{{"int8", copyLabels<std::uint8_t>},
    {"uint8", copyLabels<std::uint8_t>}, {"int16", copyLabels<std::int16_t>},
    {"uint16", copyLabels<std::uint16_t>}, {"int32", copyLabels<std::int32_t>},
    {"uint32", copyLabels<std::uint32_t>}, {"int64", copyLabels<std::int64_t>}}};

std::vector<std::int64_t> classesOf(void const* raw, OutputSpec const& output, int index)
{
    std::size_t const values = valuesOf(output.shape, 1);
    std::vector<std::int64_t> numbers(values);
    auto const* const type = std::find_if(kTYPES.begin(), kTYPES.end(),
        [&](Type const& one) { return output.dtype == one.name; });
    if (type == kTYPES.end())
    {
        throw InputError("labels of " + output.dtype, {"known: integers to 64 bits"});
    }
    type->copy(raw, static_cast<std::size_t>(index) * values, numbers);
    auto const [least, most] = std::minmax_element(numbers.begin(), numbers.end());
    for (std::int64_t const extreme : {*least, *most})
    {
        if (extreme < -1 || extreme >= kMOST_LABELS)
        {
            throw CheckError("the network gives the class " + std::to_string(extreme),
                {"masks hold 0 to 65534, and -1 for no class"});
        }
    }
    return numbers;
}

//! Whether labels that the network gives as numbers fit into bytes.
bool areBytes(std::vector<std::int64_t> const& numbers, std::size_t classes)
{
    auto const [least, most] = std::minmax_element(numbers.begin(), numbers.end());
    return classes <= kBYTE_CLASSES && *least >= 0
        && *most < static_cast<std::int64_t>(kBYTE_CLASSES);
}

struct Numbers
{
    std::vector<std::int32_t> values;
    bool asBytes{true};
};

Numbers fromLabels(void const* raw, OutputSpec const& output, int index, int height, int width,
    std::size_t classes, Placement const* placed)
{
    std::vector<std::int64_t> const given = classesOf(raw, output, index);
    auto const h = static_cast<int>(output.shape[1]);
    auto const w = static_cast<int>(output.shape[2]);
    std::vector<int> const rows = nearestOf(h, height, placed ? &placed->rows : nullptr);
    std::vector<int> const columns = nearestOf(w, width, placed ? &placed->columns : nullptr);
    Numbers numbers{{}, areBytes(given, classes)};
    numbers.values.reserve(rows.size() * columns.size());
    for (int const y : rows)
    {
        std::int64_t const* const row = &given[static_cast<std::size_t>(y) * w];
        for (int const x : columns)
        {
            numbers.values.push_back(static_cast<std::int32_t>(row[x]));
        }
    }
    return numbers;
}

Numbers fromLogits(void const* raw, OutputSpec const& output, int index, int height, int width,
    Placement const* placed)
{
    Logits logits = logitsOf(raw, output, index);
    bool const asBytes = static_cast<std::size_t>(logits.classes) <= kBYTE_CLASSES;
    if (logits.classes == 1)
    {
        logits = withBackground(std::move(logits));
    }
    bool const corners = output.alignCorners;
    Axis const rows = placed ? axisThrough(logits.height, placed->rows, corners)
                             : axisOf(logits.height, height, corners);
    Axis const columns = placed ? axisThrough(logits.width, placed->columns, corners)
                                : axisOf(logits.width, width, corners);
    return {resizeArgmax(logits, rows, columns), asBytes};
}

//! Take the class from pixels that the network did not see.
void hide(Numbers& numbers, Placement const& placed, int unseen)
{
    auto const [top, bottom] = placed.rows.seen();
    auto const [left, right] = placed.columns.seen();
    std::int32_t* one = numbers.values.data();
    for (int y = 0; y < placed.rows.picture; ++y)
    {
        for (int x = 0; x < placed.columns.picture; ++x, ++one)
        {
            *one = y < top || y >= bottom || x < left || x >= right ? unseen : *one;
        }
    }
    numbers.asBytes = numbers.asBytes && unseen >= 0;
}

} // namespace

void checkFinite(void const* raw, OutputSpec const& output)
{
    std::size_t const values = valuesOf(output.shape, 0);
    std::size_t const finite = output.dtype == "float16"
        ? countFinite<std::uint16_t>(raw, values, floatFromHalf)
        : countFinite<float>(raw, values, [](float value) { return value; });
    if (finite == values)
    {
        return;
    }
    std::array<char, 32> share{};
    std::snprintf(share.data(), share.size(), "%.2f%%",
        100.0 * (1.0 - static_cast<double>(finite) / static_cast<double>(values)));
    throw CheckError(
        std::string(share.data()) + " of the network's logits are infinite or not a number", {},
        "in FP16 this is an overflow; export it in FP32 and compare");
}

Logits logitsOf(void const* raw, OutputSpec const& output, int index)
{
    bool const isPlanar = output.layout == Layout::kNCHW;
    Logits out;
    out.classes = static_cast<int>(output.channels());
    out.height = static_cast<int>(output.shape[isPlanar ? 2 : 1]);
    out.width = static_cast<int>(output.shape[isPlanar ? 3 : 2]);
    out.values.resize(valuesOf(output.shape, 1));
    if (output.dtype == "float16")
    {
        copyPlanes<std::uint16_t>(raw, output, index, out, floatFromHalf);
    }
    else if (output.dtype == "float32")
    {
        copyPlanes<float>(raw, output, index, out, [](float value) { return value; });
    }
    else
    {
        throw InputError("logits of " + output.dtype, {"known: float32, float16"});
    }
    return out;
}

Labels labelsFrom(void const* raw, OutputSpec const& output, int index, int height, int width,
    std::size_t classes, InputSpec const& spec)
{
    bool const isPlaced = spec.fit != Fit::kSTRETCH;
    Placement const placed = isPlaced ? place(height, width, spec) : Placement{};
    Placement const* const where = isPlaced ? &placed : nullptr;
    Numbers numbers = output.isLabels
        ? fromLabels(raw, output, index, height, width, classes, where)
        : fromLogits(raw, output, index, height, width, where);
    if (isPlaced && (placed.rows.isCut() || placed.columns.isCut()))
    {
        hide(numbers, placed, unseenLabel(classes));
    }
    return packed(numbers.values, height, width, numbers.asBytes);
}

Labels packed(std::vector<std::int32_t> const& numbers, int height, int width, bool asBytes)
{
    if (asBytes)
    {
        return {height, width, std::vector<std::uint8_t>(numbers.begin(), numbers.end())};
    }
    return {height, width, numbers};
}

} // namespace segpp
