#include "images/placement.h"

#include <algorithm>
#include <cmath>

namespace segpp
{
namespace
{

constexpr int kFRAME = 3;
constexpr std::size_t kNO_CLASS = 255;

//! a * b / c, halves up, at least 1.
int scaled(int a, int b, int c)
{
    std::int64_t const product = 2 * std::int64_t{a} * b + c;
    return static_cast<int>(std::max<std::int64_t>(1, product / (2 * std::int64_t{c})));
}

//! Height and width of the resized picture.
std::pair<int, int> contentOf(int height, int width, InputSpec const& spec)
{
    int const rows = spec.height();
    int const columns = spec.width();
    if (spec.fit == Fit::kSTRETCH)
    {
        return {rows, columns};
    }
    bool const isWide = std::int64_t{width} * rows >= std::int64_t{height} * columns;
    // A letterbox is as wide as the network for a wide picture, a crop is as high.
    if (isWide == (spec.fit == Fit::kLETTERBOX))
    {
        return {scaled(height, columns, width), columns};
    }
    return {rows, scaled(width, rows, height)};
}

} // namespace

std::vector<double> Span::centers() const
{
    std::vector<double> places(static_cast<std::size_t>(picture));
    double const scale = static_cast<double>(content) / picture;
    for (std::size_t i = 0; i < places.size(); ++i)
    {
        places[i] = (static_cast<double>(i) + 0.5) * scale + start;
    }
    return places;
}

std::pair<int, int> Span::seen() const
{
    std::vector<double> const places = centers();
    auto const before = [&](double edge) {
        return static_cast<int>(
            std::lower_bound(places.begin(), places.end(), edge) - places.begin());
    };
    return {before(0.0), before(network)};
}

std::pair<double, double> Span::cut() const
{
    auto const inPicture = [&](int edge) {
        auto const scaledEdge = static_cast<double>(std::int64_t{edge - start} * picture);
        return std::clamp(scaledEdge / content, 0.0, static_cast<double>(picture));
    };
    return {inPicture(0), inPicture(network)};
}

Placement place(int height, int width, InputSpec const& spec)
{
    auto const [rows, columns] = contentOf(height, width, spec);
    return {{height, spec.height(), rows, startOf(spec.height(), rows)},
        {width, spec.width(), columns, startOf(spec.width(), columns)}};
}

int startOf(int network, int content)
{
    int const left = network - content;
    // Rounded down, not towards 0.
    return left >= 0 ? 0 : -((1 - left) / 2);
}

std::vector<std::uint8_t> paddingOf(InputSpec const& spec)
{
    if (!spec.padding.empty())
    {
        return spec.padding;
    }
    std::vector<std::uint8_t> color;
    for (double const mean : spec.mean)
    {
        color.push_back(static_cast<std::uint8_t>(std::clamp(std::floor(mean + 0.5), 0.0, 255.0)));
    }
    return color;
}

int sourceOf(int channel, InputSpec const& spec)
{
    if (!spec.isBgr || spec.channels() % kFRAME != 0)
    {
        return channel;
    }
    return channel - channel % kFRAME + (kFRAME - 1 - channel % kFRAME);
}

int unseenLabel(std::size_t classes)
{
    return classes <= kNO_CLASS ? static_cast<int>(kNO_CLASS) : -1;
}

} // namespace segpp
