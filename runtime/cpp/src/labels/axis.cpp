#include "labels/axis.h"

#include <algorithm>
#include <cmath>

namespace segpp
{
namespace
{

void add(Axis& axis, double position, int count)
{
    int const low = std::min(static_cast<int>(position), count - 1);
    axis.low.push_back(low);
    axis.high.push_back(std::min(low + 1, count - 1));
    axis.weight.push_back(static_cast<float>(position - low));
}

} // namespace

Axis axisOf(int count, int wanted, bool alignCorners)
{
    Axis axis;
    double const between = wanted > 1 ? static_cast<double>(count - 1) / (wanted - 1) : 0.0;
    double const scale = static_cast<double>(count) / wanted;
    for (int i = 0; i < wanted; ++i)
    {
        double const position
            = alignCorners ? i * between : std::max((i + 0.5) * scale - 0.5, 0.0);
        add(axis, position, count);
    }
    return axis;
}

Axis axisThrough(int count, Span const& span, bool alignCorners)
{
    double scale = static_cast<double>(count) / span.network;
    double shift = -0.5;
    if (alignCorners)
    {
        scale = span.network > 1 ? static_cast<double>(count - 1) / (span.network - 1) : 0.0;
        shift = -0.5 * scale;
    }
    double lowest = std::max(0.0, std::ceil(span.start * scale + shift));
    double highest
        = std::min(count - 1.0, std::floor((span.start + span.content) * scale + shift));
    if (lowest > highest)
    {
        // A picture thinner than a logit lies between two.
        lowest = 0.0;
        highest = count - 1.0;
    }
    Axis axis;
    for (double const center : span.centers())
    {
        add(axis, std::clamp(center * scale + shift, lowest, highest), count);
    }
    return axis;
}

std::vector<int> nearestOf(int count, int wanted, Span const* span)
{
    std::vector<int> nearest;
    if (span == nullptr)
    {
        for (int i = 0; i < wanted; ++i)
        {
            nearest.push_back(static_cast<int>((i + 0.5) * count / wanted));
        }
        return nearest;
    }
    double const scale = static_cast<double>(count) / span->network;
    for (double const center : span->centers())
    {
        nearest.push_back(std::clamp(static_cast<int>(std::floor(center * scale)), 0, count - 1));
    }
    return nearest;
}

} // namespace segpp
