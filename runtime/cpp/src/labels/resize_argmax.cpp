#include "labels/resize_argmax.h"

#include <algorithm>
#include <limits>

namespace segpp
{
namespace
{

constexpr float kNOTHING = -std::numeric_limits<float>::infinity();

//! The corners of the cells of one strip, for the columns that need it: (K, n) each.
struct Corners
{
    std::size_t columns{0};
    std::vector<float> topLeft;
    std::vector<float> topRight;
    std::vector<float> bottomLeft;
    std::vector<float> bottomRight;
};

//! Between two rows of logits: the classes that can win, and their values on either row (K', n).
struct Strip
{
    std::vector<int> classes;
    std::vector<float> upper;
    std::vector<float> lower;
};

float between(float left, float right, float weight)
{
    return left * (1.0F - weight) + right * weight;
}

//! Whether the four corners of every cell, named by its top left one, are of one class.
std::vector<char> cornersAgree(std::vector<std::int32_t> const& best, int height, int width)
{
    std::vector<char> agree(best.size());
    for (int y = 0; y < height; ++y)
    {
        std::int32_t const* const row = &best[static_cast<std::size_t>(y) * width];
        std::int32_t const* const below
            = &best[static_cast<std::size_t>(std::min(y + 1, height - 1)) * width];
        for (int x = 0; x < width; ++x)
        {
            int const right = std::min(x + 1, width - 1);
            agree[static_cast<std::size_t>(y) * width + x]
                = row[x] == row[right] && row[x] == below[x] && row[x] == below[right];
        }
    }
    return agree;
}

Corners cornersOf(Logits const& logits, int top, int bottom, Axis const& columns,
    std::vector<int> const& mixed)
{
    Corners all;
    all.columns = mixed.size();
    std::size_t const count = mixed.size() * static_cast<std::size_t>(logits.classes);
    for (std::vector<float>* part :
        {&all.topLeft, &all.topRight, &all.bottomLeft, &all.bottomRight})
    {
        part->reserve(count);
    }
    for (int number = 0; number < logits.classes; ++number)
    {
        float const* const above
            = logits.plane(number) + static_cast<std::ptrdiff_t>(top) * logits.width;
        float const* const below
            = logits.plane(number) + static_cast<std::ptrdiff_t>(bottom) * logits.width;
        for (int const x : mixed)
        {
            int const low = columns.low[static_cast<std::size_t>(x)];
            int const high = columns.high[static_cast<std::size_t>(x)];
            all.topLeft.push_back(above[low]);
            all.topRight.push_back(above[high]);
            all.bottomLeft.push_back(below[low]);
            all.bottomRight.push_back(below[high]);
        }
    }
    return all;
}

//! The classes whose highest corner reaches, in some cell, the highest of all lowest corners.
std::vector<int> canWin(Corners const& all, int classes)
{
    std::vector<float> bar(all.columns, kNOTHING);
    for (std::size_t i = 0; i < all.topLeft.size(); ++i)
    {
        float const lowest = std::min(std::min(all.topLeft[i], all.topRight[i]),
            std::min(all.bottomLeft[i], all.bottomRight[i]));
        float& one = bar[i % all.columns];
        one = std::max(one, lowest);
    }
    std::vector<int> alive;
    for (int number = 0; number < classes; ++number)
    {
        std::size_t const first = static_cast<std::size_t>(number) * all.columns;
        bool can = false;
        for (std::size_t x = 0; x < all.columns && !can; ++x)
        {
            std::size_t const i = first + x;
            can = std::max(std::max(all.topLeft[i], all.topRight[i]),
                      std::max(all.bottomLeft[i], all.bottomRight[i]))
                >= bar[x];
        }
        if (can)
        {
            alive.push_back(number);
        }
    }
    return alive;
}

Strip stripOf(Corners const& all, int classes, Axis const& columns, std::vector<int> const& mixed)
{
    Strip strip{canWin(all, classes), {}, {}};
    for (int const number : strip.classes)
    {
        std::size_t const first = static_cast<std::size_t>(number) * all.columns;
        for (std::size_t x = 0; x < all.columns; ++x)
        {
            float const weight = columns.weight[static_cast<std::size_t>(mixed[x])];
            std::size_t const i = first + x;
            strip.upper.push_back(between(all.topLeft[i], all.topRight[i], weight));
            strip.lower.push_back(between(all.bottomLeft[i], all.bottomRight[i], weight));
        }
    }
    return strip;
}

//! Write the labels of one output row at the columns that need it.
void writeRow(
    Strip const& strip, float weight, std::vector<int> const& mixed, std::int32_t* labels)
{
    std::size_t const count = mixed.size();
    std::vector<float> best(count, kNOTHING);
    std::vector<std::int32_t> winner(count, 0);
    float const rest = 1.0F - weight;
    for (std::size_t k = 0; k < strip.classes.size(); ++k)
    {
        float const* const upper = &strip.upper[k * count];
        float const* const lower = &strip.lower[k * count];
        std::int32_t const number = strip.classes[k];
        for (std::size_t x = 0; x < count; ++x)
        {
            float const value = upper[x] * rest + lower[x] * weight;
            bool const won = value > best[x];
            best[x] = won ? value : best[x];
            winner[x] = won ? number : winner[x];
        }
    }
    for (std::size_t x = 0; x < count; ++x)
    {
        labels[mixed[x]] = winner[x];
    }
}

} // namespace

Logits withBackground(Logits logit)
{
    logit.values.insert(logit.values.begin(), logit.values.size(), 0.0F);
    logit.classes = 2;
    return logit;
}

void argmaxPlanes(
    float const* planes, std::size_t stride, int classes, std::size_t values, std::int32_t* labels)
{
    std::vector<float> best(values, kNOTHING);
    std::fill(labels, labels + values, 0);
    for (int number = 0; number < classes; ++number)
    {
        float const* const plane = planes + static_cast<std::size_t>(number) * stride;
        for (std::size_t i = 0; i < values; ++i)
        {
            bool const won = plane[i] > best[i];
            best[i] = won ? plane[i] : best[i];
            labels[i] = won ? number : labels[i];
        }
    }
}

std::vector<std::int32_t> resizeArgmax(Logits const& logits, Axis const& rows, Axis const& columns)
{
    std::size_t const pixels
        = static_cast<std::size_t>(logits.height) * static_cast<std::size_t>(logits.width);
    std::vector<std::int32_t> best(pixels);
    argmaxPlanes(logits.values.data(), pixels, logits.classes, pixels, best.data());
    std::vector<char> const agree = cornersAgree(best, logits.height, logits.width);
    std::size_t const width = columns.low.size();
    std::vector<std::int32_t> labels(rows.low.size() * width);
    Strip strip;
    std::vector<int> mixed;
    for (std::size_t y = 0; y < rows.low.size(); ++y)
    {
        int const low = rows.low[y];
        std::size_t const first = static_cast<std::size_t>(low) * logits.width;
        if (y == 0 || low != rows.low[y - 1])
        {
            mixed.clear();
            for (std::size_t x = 0; x < width; ++x)
            {
                if (!agree[first + static_cast<std::size_t>(columns.low[x])])
                {
                    mixed.push_back(static_cast<int>(x));
                }
            }
            Corners const all = cornersOf(logits, low, rows.high[y], columns, mixed);
            strip = stripOf(all, logits.classes, columns, mixed);
        }
        std::int32_t* const out = &labels[y * width];
        for (std::size_t x = 0; x < width; ++x)
        {
            out[x] = best[first + static_cast<std::size_t>(columns.low[x])];
        }
        if (!mixed.empty())
        {
            writeRow(strip, rows.weight[y], mixed, out);
        }
    }
    return labels;
}

std::vector<float> resizePlane(float const* plane, int width, Axis const& rows, Axis const& columns)
{
    std::vector<float> out;
    out.reserve(rows.low.size() * columns.low.size());
    for (std::size_t y = 0; y < rows.low.size(); ++y)
    {
        float const* const above = plane + static_cast<std::ptrdiff_t>(rows.low[y]) * width;
        float const* const below = plane + static_cast<std::ptrdiff_t>(rows.high[y]) * width;
        for (std::size_t x = 0; x < columns.low.size(); ++x)
        {
            int const low = columns.low[x];
            int const high = columns.high[x];
            float const weight = columns.weight[x];
            out.push_back(between(between(above[low], above[high], weight),
                between(below[low], below[high], weight), rows.weight[y]));
        }
    }
    return out;
}

} // namespace segpp
