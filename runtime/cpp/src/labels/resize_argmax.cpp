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

//! The highest of all lowest corners, cell by cell: who stays below it wins nowhere there.
std::vector<float> barsOf(Corners const& all)
{
    std::vector<float> bars(all.columns, kNOTHING);
    for (std::size_t first = 0; first < all.topLeft.size(); first += all.columns)
    {
        for (std::size_t x = 0; x < all.columns; ++x)
        {
            std::size_t const i = first + x;
            float const lowest = std::min(std::min(all.topLeft[i], all.topRight[i]),
                std::min(all.bottomLeft[i], all.bottomRight[i]));
            bars[x] = std::max(bars[x], lowest);
        }
    }
    return bars;
}

//! Whether the highest corner of a class, whose corners begin at `first`, reaches a bar.
bool reaches(Corners const& all, std::size_t first, std::vector<float> const& bars)
{
    for (std::size_t x = 0; x < all.columns; ++x)
    {
        std::size_t const i = first + x;
        float const highest = std::max(std::max(all.topLeft[i], all.topRight[i]),
            std::max(all.bottomLeft[i], all.bottomRight[i]));
        if (highest >= bars[x])
        {
            return true;
        }
    }
    return false;
}

//! The classes that can be the best somewhere in some cell.
std::vector<int> canWin(Corners const& all, int classes)
{
    std::vector<float> const bars = barsOf(all);
    std::vector<int> alive;
    for (int number = 0; number < classes; ++number)
    {
        if (reaches(all, static_cast<std::size_t>(number) * all.columns, bars))
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
void writeMixed(
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

//! The output rows between two rows of logits.
class Cells
{
public:
    Cells(Logits const& logits, Axis const& columns)
        : mLogits(logits)
        , mColumns(columns)
        , mBest(static_cast<std::size_t>(logits.height) * static_cast<std::size_t>(logits.width))
    {
        argmaxPlanes(
            logits.values.data(), mBest.size(), logits.classes, mBest.size(), mBest.data());
        mAgree = cornersAgree(mBest, logits.height, logits.width);
    }

    void moveTo(int low, int high)
    {
        mFirst = static_cast<std::size_t>(low) * static_cast<std::size_t>(mLogits.width);
        mMixed.clear();
        for (std::size_t x = 0; x < mColumns.low.size(); ++x)
        {
            if (!mAgree[mFirst + static_cast<std::size_t>(mColumns.low[x])])
            {
                mMixed.push_back(static_cast<int>(x));
            }
        }
        Corners const all = cornersOf(mLogits, low, high, mColumns, mMixed);
        mStrip = stripOf(all, mLogits.classes, mColumns, mMixed);
    }

    void writeRow(float weight, std::int32_t* labels) const
    {
        for (std::size_t x = 0; x < mColumns.low.size(); ++x)
        {
            labels[x] = mBest[mFirst + static_cast<std::size_t>(mColumns.low[x])];
        }
        if (!mMixed.empty())
        {
            writeMixed(mStrip, weight, mMixed, labels);
        }
    }

private:
    Logits const& mLogits;
    Axis const& mColumns;
    std::vector<std::int32_t> mBest;
    std::vector<char> mAgree;
    std::size_t mFirst{0};
    std::vector<int> mMixed;
    Strip mStrip;
};

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
    std::size_t const width = columns.low.size();
    std::vector<std::int32_t> labels(rows.low.size() * width);
    Cells cells(logits, columns);
    for (std::size_t y = 0; y < rows.low.size(); ++y)
    {
        if (y == 0 || rows.low[y] != rows.low[y - 1])
        {
            cells.moveTo(rows.low[y], rows.high[y]);
        }
        cells.writeRow(rows.weight[y], &labels[y * width]);
    }
    return labels;
}

std::vector<float> resizePlane(
    float const* plane, int width, Axis const& rows, Axis const& columns)
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
