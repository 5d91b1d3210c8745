#include "session/tiles.h"

#include "images/placement.h"
#include "labels/postprocess.h"
#include "images/preprocess.h"

#include <segpp/error.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>

namespace segpp
{
namespace
{

// Nearer to 1 the number of tiles has no bound.
constexpr double kMOST_OVERLAP = 0.9;
constexpr std::size_t kBYTE_CLASSES = 256;

//! Sums of logits of as many rows as a tile has; the rows above are labels already.
class Band
{
public:
    Band(int classes, int height, int rows, int columns)
        : mClasses(classes)
        , mHeight(height)
        , mRows(rows)
        , mColumns(columns)
        , mSums(static_cast<std::size_t>(classes) * plane())
        , mLabels(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns))
    {
    }

    //! Label the rows above `top`, which no later tile reaches.
    void moveTo(int top)
    {
        int const done = top - mTop;
        if (done == 0)
        {
            return;
        }
        label(done);
        std::size_t const gone = static_cast<std::size_t>(done) * mColumns;
        for (int number = 0; number < mClasses; ++number)
        {
            float* const sums = mSums.data() + static_cast<std::size_t>(number) * plane();
            std::copy(sums + gone, sums + plane(), sums);
            std::fill(sums + plane() - gone, sums + plane(), 0.0F);
        }
        mTop = top;
    }

    //! Add a tile's logits, resized to its pixels.
    void add(Logits const& logits, Axis const& rows, Axis const& columns, int left)
    {
        for (int number = 0; number < mClasses; ++number)
        {
            std::vector<float> const values
                = resizePlane(logits.plane(number), logits.width, rows, columns);
            std::size_t const width = columns.low.size();
            float* to = mSums.data() + static_cast<std::size_t>(number) * plane() + left;
            for (std::size_t y = 0; y < rows.low.size(); ++y, to += mColumns)
            {
                for (std::size_t x = 0; x < width; ++x)
                {
                    to[x] += values[y * width + x];
                }
            }
        }
    }

    //! Label the last rows and return all.
    Labels finish()
    {
        label(mRows - mTop);
        bool const asBytes = static_cast<std::size_t>(mClasses) <= kBYTE_CLASSES;
        return packed(mLabels, mRows, mColumns, asBytes);
    }

private:
    std::size_t plane() const
    {
        return static_cast<std::size_t>(mHeight) * static_cast<std::size_t>(mColumns);
    }

    void label(int rows)
    {
        std::int32_t* const to = mLabels.data() + static_cast<std::size_t>(mTop) * mColumns;
        std::size_t const values = static_cast<std::size_t>(rows) * mColumns;
        if (mClasses > 1)
        {
            argmaxPlanes(mSums.data(), plane(), mClasses, values, to);
            return;
        }
        std::transform(mSums.begin(), mSums.begin() + static_cast<std::ptrdiff_t>(values), to,
            [](float logit) { return logit > 0.0F ? 1 : 0; });
    }

    int mClasses;
    int mHeight;
    int mRows;
    int mColumns;
    int mTop{0};
    std::vector<float> mSums;
    std::vector<std::int32_t> mLabels;
};

//! One side of a tile in the network's input: where that begins.
Span tileSpan(int length, int tile)
{
    int const part = std::min(length, tile);
    return {part, tile, part, startOf(tile, part)};
}

//! The top left pixel of a tile.
struct Start
{
    int top;
    int left;
};

std::vector<Start> startsOf(ImageView const& picture, InputSpec const& spec, double overlap)
{
    std::vector<Start> starts;
    for (int const top : tileStarts(picture.height, spec.height(), overlap))
    {
        for (int const left : tileStarts(picture.width, spec.width(), overlap))
        {
            starts.push_back({top, left});
        }
    }
    return starts;
}

ImageView partOf(ImageView const& picture, Start start, int height, int width)
{
    std::uint8_t const* const first = picture.pixels + start.top * picture.rowBytes
        + static_cast<std::ptrdiff_t>(start.left) * picture.channels;
    return {first, height, width, picture.channels, picture.rowBytes};
}

} // namespace

void checkOverlap(double overlap)
{
    if (!(overlap >= 0.0 && overlap <= kMOST_OVERLAP))
    {
        std::ostringstream text;
        text << "an overlap of " << overlap;
        throw InputError(text.str(), {"allowed: 0 to 0.9 of a tile"});
    }
}

std::vector<int> tileStarts(int length, int tile, double overlap)
{
    int const last = std::max(0, length - tile);
    // Halves to even, as Python rounds.
    int const step = std::max(1, static_cast<int>(std::nearbyint(tile * (1.0 - overlap))));
    std::vector<int> starts;
    for (int start = 0; start < last; start += step)
    {
        starts.push_back(start);
    }
    starts.push_back(last);
    return starts;
}

Labels labelsOfTiles(ImageView const& picture, InputSpec const& spec, bool alignCorners,
    double overlap,
    std::function<std::vector<Logits>(std::vector<ImageView> const&)> const& logitsOf)
{
    Span const rows = tileSpan(picture.height, spec.height());
    Span const columns = tileSpan(picture.width, spec.width());
    std::vector<Start> const starts = startsOf(picture, spec, overlap);
    std::optional<Band> band;
    auto const batch = static_cast<std::size_t>(spec.batch());
    for (std::size_t first = 0; first < starts.size(); first += batch)
    {
        std::size_t const after = std::min(starts.size(), first + batch);
        std::vector<Image> tiles;
        for (std::size_t i = first; i < after; ++i)
        {
            tiles.push_back(padPicture(
                partOf(picture, starts[i], rows.picture, columns.picture), spec));
        }
        std::vector<Logits> const all = logitsOf({tiles.begin(), tiles.end()});
        for (std::size_t i = 0; i < tiles.size(); ++i)
        {
            Logits const& logits = all[i];
            if (!band)
            {
                band.emplace(logits.classes, rows.picture, picture.height, picture.width);
            }
            band->moveTo(starts[first + i].top);
            band->add(logits, axisThrough(logits.height, rows, alignCorners),
                axisThrough(logits.width, columns, alignCorners), starts[first + i].left);
        }
    }
    return band->finish();
}

} // namespace segpp
