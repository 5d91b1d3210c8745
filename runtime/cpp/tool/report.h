//! What segpp_run prints.
#pragma once

#include <segpp/labels.h>
#include <segpp/session.h>

#include <filesystem>
#include <string>
#include <vector>

namespace segpp
{

//! Times of one frame in milliseconds, in the order in which they are spent.
struct FrameTimes
{
    double readMs{0.0};
    Timing session;
};

//! Everything there is to say of a run.
struct Report
{
    std::string model;
    std::string source;
    std::string backend;
    std::vector<FrameTimes> frames;
    //! Of the whole loop, writing left out.
    double seconds{0.0};
    double writeMs{0.0};
    std::vector<std::filesystem::path> written;
    Labels labels;
};

//! A few lines for people, or one JSON object.
std::string render(Report const& report, Classes const& classes, bool json);

} // namespace segpp
