#include "manifest/consistency.h"

#include "files/white.h"
#include "manifest/schema_check.h"

#include <segpp/error.h>

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

namespace segpp
{
namespace
{

using nlohmann::json;
using Numbers = std::vector<std::int64_t>;

constexpr std::size_t kTENSOR_DIMENSIONS = 4;
constexpr std::int64_t kMOST_BANDS = 1024;
// The stages of sites in the decode head and in the patch embedding.
constexpr std::int64_t kHEAD = 0;
constexpr std::int64_t kEMBED = -1;
// More values than any tensor has here, few enough for sizes in bytes to be exact.
constexpr std::int64_t kMOST_VALUES = std::int64_t{1} << 40U;

[[noreturn]] void refuse(std::string const& where, std::string const& problem)
{
    throw InputError(where + " " + problem);
}

bool areBytes(json const& values)
{
    return std::all_of(values.begin(), values.end(),
        [](json const& value) { return value >= 0 && value <= 255; });
}

bool isShape(json const& shape)
{
    std::int64_t values = 1;
    for (std::int64_t const side : shape.get<Numbers>())
    {
        if (side < 1 || side > kMOST_VALUES / values)
        {
            return false;
        }
        values *= side;
    }
    return !shape.empty();
}

void checkClasses(json const& value, std::string const& where)
{
    json const& palette = value.at("classes").at("palette");
    std::size_t const named = value.at("classes").at("names").size();
    auto const trained = value.at("architecture").at("classes").get<std::int64_t>();
    if (named != palette.size())
    {
        refuse(where, "names " + std::to_string(named) + " classes and colours "
                + std::to_string(palette.size()));
    }
    // Files of one channel named a single class before they told its background.
    auto const count = static_cast<std::int64_t>(named);
    if (trained == 1 ? count != 1 && count != 2 : count != trained)
    {
        refuse(where, "names " + std::to_string(named) + " classes of a network with "
                + std::to_string(trained));
    }
    if (!std::all_of(palette.begin(), palette.end(), areBytes))
    {
        refuse(where, "has a colour outside 0-255");
    }
}

bool isGiven(json const& record, char const* key)
{
    return record.contains(key) && !record.at(key).is_null();
}

//! Whether bands of a file, counted from 1, make a picture of so many channels.
bool areBands(Numbers const& bands, std::int64_t channels)
{
    auto const count = static_cast<std::int64_t>(bands.size());
    bool const fits = count == channels || (channels % 3 == 0 && (count == 1 || count == 3))
        || (channels == 1 && count == 3);
    return fits && std::all_of(bands.begin(), bands.end(), [](std::int64_t band) {
        return band >= 1 && band <= kMOST_BANDS;
    });
}

//! What is said of the picture files that become the input.
void checkFiles(json const& input, std::int64_t channels, std::string const& where)
{
    if (isGiven(input, "white") && !isWhite(input.at("white").get<std::string>()))
    {
        refuse(where, "says that white is " + shown(input.at("white")));
    }
    if (isGiven(input, "bands") && !areBands(input.at("bands").get<Numbers>(), channels))
    {
        refuse(where, "takes the bands " + shown(input.at("bands")));
    }
}

void checkInput(json const& input, std::string const& where)
{
    json const& shape = input.at("shape");
    if (shape.size() != kTENSOR_DIMENSIONS || !isShape(shape))
    {
        refuse(where, "gives the input shape " + shown(shape));
    }
    json const& channels = shape[input.at("layout") == "NCHW" ? 1 : 3];
    json const& mean = input.at("mean");
    auto const std = input.at("std").get<std::vector<double>>();
    if (channels != mean.size() || channels != std.size()
        || *std::min_element(std.begin(), std.end()) <= 0)
    {
        refuse(where, "gives a mean or std that does not fit its input");
    }
    auto const padding = input.find("padding");
    if (padding != input.end() && !padding->is_null()
        && (channels != padding->size() || !areBytes(*padding)))
    {
        refuse(where, "pads its input with " + shown(*padding));
    }
    checkFiles(input, channels.get<std::int64_t>(), where);
}

void checkOutputs(json const& value, std::string const& where)
{
    json const& outputs = value.at("outputs");
    if (outputs.empty())
    {
        refuse(where, "names no output");
    }
    for (json const& output : outputs)
    {
        if (!isShape(output.at("shape")))
        {
            refuse(where, "gives the output shape " + shown(output.at("shape")));
        }
    }
    bool const tells = value.contains("engine") && !value.at("engine").is_null();
    if (value.at("kind") == "engine" && !tells)
    {
        refuse(where, "is about an engine and does not describe it");
    }
}

void checkSite(json const& site, std::string const& where)
{
    std::string const place = "says that stage " + site.at("stage").dump() + ", "
        + site.at("side").get<std::string>();
    auto const grid = site.at("grid").get<Numbers>();
    auto const in = site.at("tokens_in").get<std::int64_t>();
    auto const out = site.at("tokens_out").get<std::int64_t>();
    auto const stage = site.at("stage").get<std::int64_t>();
    bool const isOfPatches = site.at("side") == "patches";
    if (stage < kEMBED || (stage == kEMBED) != isOfPatches
        || (stage == kHEAD && site.at("side") != "grid"))
    {
        refuse(where, "names the site of stage " + std::to_string(stage) + ", "
                + site.at("side").get<std::string>());
    }
    auto const of = site.find("match_of");
    if (of != site.end() && !of->is_null() && site.at("side") != "ffn")
    {
        refuse(where, place + " merges by the match of " + of->get<std::string>());
    }
    auto const every = site.value("match_every", std::int64_t{1});
    if (every < 1)
    {
        refuse(where, place + " matches every " + std::to_string(every) + " blocks");
    }
    if (!isShape(site.at("grid")) || in != grid[0] * grid[1] || out < 1 || out > in)
    {
        refuse(where, place + " makes " + std::to_string(out) + " tokens of " + std::to_string(in)
                + " on a grid of " + std::to_string(grid[0]) + "x" + std::to_string(grid[1]));
    }
}

bool isKept(std::string const& mask, std::int64_t in, std::int64_t out)
{
    if (mask.size() != static_cast<std::size_t>((in + 3) / 4))
    {
        return false;
    }
    std::int64_t kept = 0;
    std::size_t last = 0;
    for (char const digit : mask)
    {
        auto const value = std::string_view("0123456789abcdef").find(digit);
        if (value == std::string_view::npos)
        {
            return false;
        }
        last = value;
        kept += static_cast<std::int64_t>(std::bitset<4>(value).count());
    }
    // What the last digit has beyond the last channel is zero.
    auto const beyond = static_cast<std::size_t>((4 - in % 4) % 4);
    return kept == out && last % (std::size_t{1} << beyond) == 0;
}

void checkChannels(json const& site, std::string const& where)
{
    auto const stage = site.at("stage").get<std::int64_t>();
    auto const in = site.at("channels_in").get<std::int64_t>();
    auto const out = site.at("channels_out").get<std::int64_t>();
    auto const groups = site.value("groups", std::int64_t{1});
    std::string const place = "stage " + std::to_string(stage);
    if (stage < 1 || groups < 1 || site.value("predictor", std::int64_t{0}) < 0)
    {
        refuse(where, "names the channels of " + place + " in " + std::to_string(groups) + " groups");
    }
    if (out < 1 || out > in || in % groups != 0 || out % groups != 0)
    {
        refuse(where, "says that " + place + ", " + site.at("part").get<std::string>() + " keeps "
                + std::to_string(out) + " channels of " + std::to_string(in) + " in "
                + std::to_string(groups) + " groups");
    }
    for (json const& mask : site.value("kept", json::object()))
    {
        if (!isKept(mask.get<std::string>(), in, out))
        {
            refuse(where, "does not say which " + std::to_string(out) + " channels " + place + " keeps");
        }
    }
}

} // namespace

void checkConsistency(json const& value, std::string const& where)
{
    checkClasses(value, where);
    checkInput(value.at("input"), where);
    checkOutputs(value, where);
    for (json const& site : value.at("reduction"))
    {
        checkSite(site, where);
    }
    for (json const& site : value.value("channels", json::array()))
    {
        checkChannels(site, where);
    }
}

} // namespace segpp
