#include <segpp/manifest.h>

#include "files/check_file.h"
#include "manifest/consistency.h"
#include "manifest/schema_check.h"
#include "manifest/sha256.h"

#include <segpp/error.h>

#include <algorithm>

namespace segpp
{
namespace
{

using nlohmann::json;

// A manifest is a few kilobytes; anything much larger is not one.
constexpr std::uintmax_t kMOST_BYTES = 4U << 20U;
// Its own records are nested five deep.
constexpr int kMOST_DEPTH = 64;
constexpr int kSCHEMA = 1;
constexpr std::size_t kMOST_SHOWN = 200;
constexpr std::size_t kDIGITS_SHOWN = 16;

//! A library's message without its number in front; it may quote bytes that are no text.
std::string readable(std::string text)
{
    std::size_t const number = text.find("] ");
    if (text.rfind('[', 0) == 0 && number != std::string::npos)
    {
        text.erase(0, number + 2);
    }
    std::replace_if(
        text.begin(), text.end(), [](char letter) { return letter < ' ' || letter > '~'; }, '?');
    return text.substr(0, kMOST_SHOWN);
}

json parsed(std::filesystem::path const& path)
{
    std::vector<std::uint8_t> const bytes = bytesOf(path, "manifest", kMOST_BYTES);
    bool isTooDeep = false;
    // What is nested deeper is dropped while it is read, not kept.
    json::parser_callback_t const shallow
        = [&](int depth, json::parse_event_t, json&) {
              isTooDeep = isTooDeep || depth > kMOST_DEPTH;
              return !isTooDeep;
          };
    try
    {
        json const value = json::parse(bytes.begin(), bytes.end(), shallow);
        if (!isTooDeep)
        {
            return value;
        }
    }
    catch (json::exception const& failure)
    {
        throw InputError(path.string() + " is not JSON", {readable(failure.what())});
    }
    throw InputError(path.string() + " is nested too deeply");
}

template <typename T>
T valueOr(json const& record, char const* key, T fallback)
{
    auto const found = record.find(key);
    return found == record.end() || found->is_null() ? fallback : found->get<T>();
}

Layout layoutOf(json const& record)
{
    return valueOr<std::string>(record, "layout", "NCHW") == "NHWC" ? Layout::kNHWC
                                                                    : Layout::kNCHW;
}

Filter filterOf(std::string const& name)
{
    return name == "pillow-bicubic" ? Filter::kBICUBIC
        : name == "pillow-nearest"  ? Filter::kNEAREST
                                    : Filter::kBILINEAR;
}

Fit fitOf(std::string const& name)
{
    return name == "letterbox" ? Fit::kLETTERBOX : name == "crop" ? Fit::kCROP : Fit::kSTRETCH;
}

InputSpec inputOf(json const& record)
{
    InputSpec spec;
    spec.name = record.at("name");
    spec.shape = record.at("shape").get<std::vector<std::int64_t>>();
    spec.dtype = record.at("dtype");
    spec.layout = layoutOf(record);
    spec.isBgr = record.at("colours") == "BGR";
    spec.mean = record.at("mean").get<std::vector<double>>();
    spec.std = record.at("std").get<std::vector<double>>();
    spec.filter = filterOf(valueOr<std::string>(record, "resize", "pillow-bilinear"));
    spec.fit = fitOf(valueOr<std::string>(record, "fit", "stretch"));
    spec.padding = valueOr(record, "padding", std::vector<std::uint8_t>{});
    spec.white = valueOr<std::string>(record, "white", "");
    spec.bands = valueOr(record, "bands", std::vector<std::int64_t>{});
    return spec;
}

OutputSpec outputOf(json const& record)
{
    OutputSpec spec;
    spec.name = record.at("name");
    spec.isLabels = record.at("kind") == "labels";
    spec.shape = record.at("shape").get<std::vector<std::int64_t>>();
    spec.dtype = record.at("dtype");
    spec.alignCorners = valueOr(record, "align_corners", false);
    spec.layout = layoutOf(record);
    return spec;
}

std::optional<PluginInfo> pluginsOf(json const& engine)
{
    auto const found = engine.find("plugin_library");
    if (found == engine.end() || found->is_null())
    {
        return std::nullopt;
    }
    return PluginInfo{found->at("name"), found->at("sha256"), found->at("version"),
        found->at("tensorrt"), valueOr(*found, "embedded", false)};
}

std::optional<EngineInfo> engineOf(json const& manifest)
{
    auto const found = manifest.find("engine");
    if (found == manifest.end() || found->is_null())
    {
        return std::nullopt;
    }
    return EngineInfo{found->at("library"), found->at("version"),
        found->at("compute_capabilities").get<std::vector<std::string>>(), pluginsOf(*found),
        valueOr(*found, "version_compatible", false)};
}

Manifest manifestOf(json const& value)
{
    Manifest manifest;
    json const& file = value.at("file");
    manifest.isEngine = value.at("kind") == "engine";
    manifest.segpp = value.at("segpp");
    manifest.file = {file.at("name"), file.at("sha256"), file.at("bytes").get<std::int64_t>()};
    manifest.classes.names = value.at("classes").at("names").get<std::vector<std::string>>();
    for (json const& color : value.at("classes").at("palette"))
    {
        manifest.classes.palette.push_back(color.get<std::array<std::uint8_t, 3>>());
    }
    manifest.input = inputOf(value.at("input"));
    for (json const& output : value.at("outputs"))
    {
        manifest.outputs.push_back(outputOf(output));
    }
    manifest.precision = value.at("precision");
    manifest.engine = engineOf(value);
    manifest.options = valueOr(value, "options", std::map<std::string, std::string>{});
    return manifest;
}

void checkVersion(json const& value, std::string const& where)
{
    bool const isObject = value.is_object();
    json const version = isObject && value.contains("schema") ? value.at("schema") : json{};
    if (version != kSCHEMA || version.is_boolean())
    {
        throw InputError(
            where + " has the schema " + shown(version), {"this segpp reads schema 1"});
    }
}

//! What differs between a file and one that was described; empty if nothing does.
std::string difference(std::filesystem::path const& path, FileInfo const& about)
{
    // One of another size need not be read: it may be very large.
    std::uintmax_t const found = std::filesystem::file_size(path);
    if (about.bytes < 0 || found != static_cast<std::uintmax_t>(about.bytes))
    {
        return grouped(found) + " bytes, not " + std::to_string(about.bytes);
    }
    std::string const digest = sha256Of(path);
    return digest == about.sha256 ? "" : digest.substr(0, kDIGITS_SHOWN) + "…";
}

void checkAbout(std::filesystem::path const& path, std::string const& beside, FileInfo const& about)
{
    checkFile(path, "file");
    if (std::string const found = difference(path, about); !found.empty())
    {
        throw InputError(beside + " was written for another file than " + path.string(),
            {"built for: " + about.name + " " + about.sha256.substr(0, kDIGITS_SHOWN) + "…",
                "found:     " + path.filename().string() + " " + found},
            "export again, or put the manifest that belongs to the file beside it");
    }
}

} // namespace

std::int64_t OutputSpec::channels() const
{
    constexpr std::size_t kTENSOR_DIMENSIONS = 4;
    return shape.size() != kTENSOR_DIMENSIONS ? 1 : layout == Layout::kNCHW ? shape[1] : shape[3];
}

Manifest readManifest(std::filesystem::path const& path)
{
    std::filesystem::path const beside = path.string() + ".json";
    json const value = parsed(beside);
    std::string const where = beside.string();
    checkVersion(value, where);
    checkSchema(value, "Manifest", where);
    checkConsistency(value, where);
    Manifest manifest = manifestOf(value);
    checkAbout(path, where, manifest.file);
    return manifest;
}

} // namespace segpp
