#include "arguments.h"

#include <segpp/error.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace segpp
{

char const* const kHELP = R"(usage: segpp_run [options] MODEL IMAGE|CAMERA

Segment a picture, or frames of a camera, with a file of segpp.

  MODEL          x.onnx or x.engine, with its manifest x.onnx.json or x.engine.json beside it
  IMAGE          a PNG or JPEG file
  CAMERA         /dev/video0 and the like

Writes NAME.mask.png (class numbers with a palette) and NAME.overlay.png, and prints the time of
every stage. Options are called as those of segpp-run in Python.

  --out PATH         a folder, or x.png for one of the two pictures (this folder)
  --save KIND        mask, overlay or both (both; overlay to a file)
  --alpha X          share of the colours in the overlay, 0 to 1 (0.5)
  --fit NAME         stretch, letterbox or crop, instead of the manifest's
  --tile             cut the picture into tiles of the network's size instead
  --overlap X        share of a side that neighbouring tiles have in common, 0 to 0.9 (0.25)
  --threads N        CPU threads of ONNX Runtime, up to four a CPU (its choice)
  --no-spin          let idle threads sleep
  --plugin FILE      libsegpp_plugins.so, for an engine (SEGPP_PLUGINS)
  --no-cuda-graph    launch an engine's kernels one by one
  --frames N         of a camera: how many, 0 for no end (1); the last one is written
  --camera-size HxW  what a camera is asked for, height first (720x1280)
  --repeat N         of a picture: run N times more and print the median
  --json             print one JSON object instead
  --force            replace files that segpp did not write
  -h, --help         print this and exit

Exit codes: 0 done, 1 a check failed, 2 wrong input, 3 something is missing.
)";

namespace
{

constexpr int kMOST = 1'000'000'000;
constexpr double kOVERLAP = 0.25;

[[noreturn]] void refuse(
    std::string const& option, std::string const& value, std::string const& expected)
{
    throw InputError(option + " is '" + value + "'", {"expected: " + expected});
}

int wholeOf(std::string const& option, std::string const& value, int least, int most)
{
    char* end = nullptr;
    long const number = std::strtol(value.c_str(), &end, 10);
    if (value.empty() || *end != '\0' || number < least || number > most)
    {
        refuse(option, value, "a whole number from " + std::to_string(least) + " to "
                + std::to_string(most));
    }
    return static_cast<int>(number);
}

double shareOf(std::string const& option, std::string const& value)
{
    char* end = nullptr;
    double const number = std::strtod(value.c_str(), &end);
    if (value.empty() || *end != '\0' || !(number >= 0.0 && number <= 1.0))
    {
        refuse(option, value, "a number from 0 to 1");
    }
    return number;
}

//! Whether a file is meant: a folder may be missing, and may have any name but a picture's.
bool namesFile(std::filesystem::path const& out)
{
    std::string const suffix = out.extension().string();
    if (std::filesystem::is_directory(out))
    {
        return false;
    }
    if (suffix == ".jpg" || suffix == ".jpeg" || suffix == ".mp4")
    {
        throw InputError("cannot write " + out.string(), {"written is: .png"}, "segpp-run can");
    }
    return suffix == ".png";
}

Fit fitOf(std::string const& option, std::string const& value)
{
    std::map<std::string, Fit> const known{
        {"stretch", Fit::kSTRETCH}, {"letterbox", Fit::kLETTERBOX}, {"crop", Fit::kCROP}};
    auto const found = known.find(value);
    if (found == known.end())
    {
        refuse(option, value, "stretch, letterbox or crop");
    }
    return found->second;
}

void readSize(std::string const& value, Arguments& out)
{
    std::size_t const cross = value.find('x');
    if (cross == std::string::npos)
    {
        refuse("--camera-size", value, "HEIGHTxWIDTH");
    }
    constexpr int kLONGEST = 16384;
    out.height = wholeOf("--camera-size", value.substr(0, cross), 16, kLONGEST);
    out.width = wholeOf("--camera-size", value.substr(cross + 1), 16, kLONGEST);
}

//! What --save, --tile and --overlap come to, in whatever order they stood.
struct Given
{
    std::string save;
    bool tile{false};
    std::optional<double> overlap;
};

void resolveTiles(Given const& given, Arguments& out)
{
    if (given.overlap && !given.tile)
    {
        throw InputError("an overlap goes with tiles", {}, "--tile --overlap 0.25");
    }
    if (given.tile)
    {
        out.session.overlap = given.overlap.value_or(kOVERLAP);
    }
}

void resolveKinds(Given const& given, Arguments& out)
{
    std::set<std::string> const known{"", "both", "mask", "overlay", "mask,overlay", "overlay,mask"};
    if (known.count(given.save) == 0)
    {
        refuse("--save", given.save, "mask, overlay or both");
    }
    out.isFile = namesFile(out.out);
    out.mask = given.save.empty() ? !out.isFile : given.save != "overlay";
    out.overlay = given.save != "mask";
    if (out.isFile && out.mask && out.overlay)
    {
        throw InputError(
            "overlay and mask do not fit into " + out.out.string(), {}, "give a folder");
    }
}

using Flags = std::map<std::string, std::function<void()>>;
using Options = std::map<std::string, std::function<void(std::string const&)>>;

Flags flagsOf(Arguments& out, Given& given)
{
    return {{"--no-spin", [&] { out.session.spinning = false; }},
        {"--no-cuda-graph", [&] { out.session.cudaGraph = false; }},
        {"--tile", [&] { given.tile = true; }},
        {"--json", [&] { out.json = true; }},
        {"--force", [&] { out.force = true; }}, {"--help", [&] { out.help = true; }},
        {"-h", [&] { out.help = true; }}};
}

Options optionsOf(Arguments& out, Given& given)
{
    using Text = std::string const&;
    return {{"--out", [&](Text value) { out.out = value; }},
        {"--save", [&](Text value) { given.save = value; }},
        {"--plugin", [&](Text value) { out.session.plugins = value; }},
        {"--fit", [&](Text value) { out.session.fit = fitOf("--fit", value); }},
        {"--overlap", [&](Text value) { given.overlap = shareOf("--overlap", value); }},
        {"--threads",
            [&](Text value) { out.session.threads = wholeOf("--threads", value, 1, kMOST); }},
        {"--frames", [&](Text value) { out.frames = wholeOf("--frames", value, 0, kMOST); }},
        {"--repeat", [&](Text value) { out.repeat = wholeOf("--repeat", value, 1, kMOST); }},
        {"--alpha", [&](Text value) { out.alpha = shareOf("--alpha", value); }},
        {"--camera-size", [&](Text value) { readSize(value, out); }}};
}

} // namespace

Arguments parse(std::vector<std::string> const& words)
{
    Arguments out;
    Given given;
    Flags const flags = flagsOf(out, given);
    Options const options = optionsOf(out, given);
    std::vector<std::string> places;
    for (std::size_t i = 0; i < words.size(); ++i)
    {
        std::string const& word = words[i];
        if (auto const flag = flags.find(word); flag != flags.end())
        {
            flag->second();
        }
        else if (auto const option = options.find(word); option != options.end())
        {
            if (++i == words.size())
            {
                throw InputError(word + " needs a value", {}, "segpp_run --help");
            }
            option->second(words[i]);
        }
        else if (word.size() > 1 && word[0] == '-')
        {
            throw InputError("unknown option '" + word + "'", {}, "segpp_run --help");
        }
        else
        {
            places.push_back(word);
        }
    }
    if (!out.help && places.size() != 2)
    {
        throw InputError("segpp_run takes a model and a picture or camera, and "
                + std::to_string(places.size()) + " were given",
            {}, "segpp_run --help");
    }
    if (places.size() == 2)
    {
        out.model = places[0];
        out.source = places[1];
    }
    resolveTiles(given, out);
    resolveKinds(given, out);
    return out;
}

} // namespace segpp
