//! The command line of segpp_run.
#pragma once

#include <segpp/session.h>

#include <filesystem>
#include <vector>

namespace segpp
{

struct Arguments
{
    std::filesystem::path model;
    std::filesystem::path source;
    //! A folder, or the file of one picture.
    std::filesystem::path out{"."};
    //! What is written; both into a folder and the overlay to a file unless --save says otherwise.
    bool mask{true};
    bool overlay{true};
    SessionOptions session;
    //! Of a camera: how many frames to segment, 0 for no end.
    int frames{1};
    int width{1280};
    int height{720};
    double alpha{0.5};
    //! Of a picture: how often to run, after one run that is not timed.
    int repeat{0};
    //! Whether `out` is the file itself.
    bool isFile{false};
    bool json{false};
    bool force{false};
    bool help{false};
};

extern char const* const kHELP;

//! Throws InputError for an option or a value that is not known.
Arguments parse(std::vector<std::string> const& words);

} // namespace segpp
