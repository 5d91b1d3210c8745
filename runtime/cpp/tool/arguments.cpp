#include "arguments.h"

#include <segpp/error.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <string>

namespace segpp
{

char const* const kHELP = R"(usage: segpp_run [options] MODEL IMAGE|CAMERA

Segment a picture, or frames of a camera, with a file of segpp.

  MODEL          x.onnx or x.engine, with its manifest x.onnx.json or x.engine.json beside it
  IMAGE          a PNG or JPEG file
  CAMERA         /dev/video0 and the like

Writes NAME.mask.png (class numbers with a palette) and NAME.overlay.png, and prints the time of
every stage.

  --out FOLDER   where to write (this folder)
  --fit FIT      stretch, letterbox or crop, instead of the manifest's
  --tile SHARE   cut the picture into tiles that share so much of a side (0.25)
  --threads N    CPU threads of ONNX Runtime (its choice)
  --no-spinning  let idle threads sleep
  --plugins FILE libsegpp_plugins.so (SEGPP_PLUGINS)
  --no-graph     run an engine without a CUDA graph
  --frames N     of a camera: how many, 0 for no end (1); the last one is written
  --size HxW     of a camera: what to ask it for (720x1280)
  --repeat N     of a picture: run N times more and print the median
  --alpha SHARE  of the colours in the overlay, 0 to 1 (0.5)
  --json         print one JSON object instead
  --force        replace files that segpp did not write
  --help

Exit codes: 0 done, 1 a check failed, 2 wrong input, 3 something is missing.
)";

namespace
{

constexpr int kMOST_FRAMES = 1'000'000'000;

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
        refuse("--size", value, "HEIGHTxWIDTH");
    }
    constexpr int kMOST = 16384;
    out.height = wholeOf("--size", value.substr(0, cross), 16, kMOST);
    out.width = wholeOf("--size", value.substr(cross + 1), 16, kMOST);
}

using Flags = std::map<std::string, std::function<void()>>;
using Options = std::map<std::string, std::function<void(std::string const&)>>;

Flags flagsOf(Arguments& out)
{
    return {{"--no-spinning", [&] { out.session.spinning = false; }},
        {"--no-graph", [&] { out.session.cudaGraph = false; }},
        {"--json", [&] { out.json = true; }},
        {"--force", [&] { out.force = true; }}, {"--help", [&] { out.help = true; }},
        {"-h", [&] { out.help = true; }}};
}

Options optionsOf(Arguments& out)
{
    using Text = std::string const&;
    return {{"--out", [&](Text value) { out.out = value; }},
        {"--plugins", [&](Text value) { out.session.plugins = value; }},
        {"--fit", [&](Text value) { out.session.fit = fitOf("--fit", value); }},
        {"--tile", [&](Text value) { out.session.overlap = shareOf("--tile", value); }},
        {"--threads",
            [&](Text value) { out.session.threads = wholeOf("--threads", value, 1, 256); }},
        {"--frames", [&](Text value) { out.frames = wholeOf("--frames", value, 0, kMOST_FRAMES); }},
        {"--repeat", [&](Text value) { out.repeat = wholeOf("--repeat", value, 1, kMOST_FRAMES); }},
        {"--alpha", [&](Text value) { out.alpha = shareOf("--alpha", value); }},
        {"--size", [&](Text value) { readSize(value, out); }}};
}

} // namespace

Arguments parse(std::vector<std::string> const& words)
{
    Arguments out;
    Flags const flags = flagsOf(out);
    Options const options = optionsOf(out);
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
    return out;
}

} // namespace segpp
