#include "report.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

namespace segpp
{
namespace
{

template <typename Of>
double median(std::vector<FrameTimes> const& frames, Of of)
{
    std::vector<double> times;
    for (FrameTimes const& one : frames)
    {
        times.push_back(of(one));
    }
    std::sort(times.begin(), times.end());
    return times.empty() ? 0.0 : times[(times.size() - 1) / 2];
}

using Stages = std::vector<std::pair<std::string, double>>;

Stages stagesOf(Report const& report)
{
    std::vector<FrameTimes> const& frames = report.frames;
    return {{"read", median(frames, [](FrameTimes const& one) { return one.readMs; })},
        {"preprocess",
            median(frames, [](FrameTimes const& one) { return one.session.preprocessMs; })},
        {"inference",
            median(frames, [](FrameTimes const& one) { return one.session.inferenceMs; })},
        {"postprocess",
            median(frames, [](FrameTimes const& one) { return one.session.postprocessMs; })},
        {"write", report.writeMs}};
}

//! Share of the pixels of every label that occurs, the greatest first.
std::vector<std::pair<double, int>> sharesOf(Labels const& labels)
{
    std::map<int, std::size_t> counts;
    for (int y = 0; y < labels.height; ++y)
    {
        for (int x = 0; x < labels.width; ++x)
        {
            ++counts[labels.at(y, x)];
        }
    }
    double const all = static_cast<double>(labels.height) * labels.width;
    std::vector<std::pair<double, int>> shares;
    for (auto const& [label, count] : counts)
    {
        shares.emplace_back(static_cast<double>(count) / all, label);
    }
    std::stable_sort(shares.begin(), shares.end(),
        [](auto const& one, auto const& other) { return one.first > other.first; });
    return shares;
}

std::string nameOf(int label, Classes const& classes)
{
    bool const isKnown = label >= 0 && label < static_cast<int>(classes.names.size());
    return isKnown ? classes.names[static_cast<std::size_t>(label)]
                   : "no class (" + std::to_string(label) + ")";
}

constexpr double kLEAST_SHARE = 0.0005;

template <typename... Values>
std::string formatted(char const* format, Values... values)
{
    std::array<char, 128> text{};
    std::snprintf(text.data(), text.size(), format, values...);
    return text.data();
}

//! What is there is not nothing: <0.1%.
std::string percent(double share)
{
    return share > 0.0 && share < kLEAST_SHARE ? "<0.1%" : formatted("%.1f%%", 100.0 * share);
}

std::string asJson(Report const& report, Classes const& classes)
{
    nlohmann::ordered_json out{{"model", report.model}, {"source", report.source},
        {"backend", report.backend}, {"frames", report.frames.size()}, {"seconds", report.seconds}};
    for (auto const& [name, ms] : stagesOf(report))
    {
        out["milliseconds"][name] = ms;
    }
    for (auto const& [share, label] : sharesOf(report.labels))
    {
        out["classes"].push_back(
            {{"label", label}, {"name", nameOf(label, classes)}, {"share", share}});
    }
    for (std::filesystem::path const& path : report.written)
    {
        out["written"].push_back(path.string());
    }
    // Names of files need not be UTF-8.
    return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

} // namespace

std::string render(Report const& report, Classes const& classes, bool json)
{
    if (json)
    {
        return asJson(report, classes);
    }
    std::string text = report.backend + "\n";
    std::size_t const count = report.frames.size();
    text += count > 1 ? formatted("%zu frames, %.1f a second; median of each stage:\n", count,
                static_cast<double>(count) / report.seconds)
                      : std::string();
    for (auto const& [name, ms] : stagesOf(report))
    {
        text += formatted("  %-12s%9.2f ms\n", name.c_str(), ms);
    }
    for (auto const& [share, label] : sharesOf(report.labels))
    {
        text += formatted("  %6s  ", percent(share).c_str()) + nameOf(label, classes) + "\n";
    }
    for (std::filesystem::path const& path : report.written)
    {
        text += path.string() + "\n";
    }
    return text;
}

} // namespace segpp
