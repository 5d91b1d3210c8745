#include "backends/engine_check.h"

#include "files/check_file.h"
#include "manifest/sha256.h"

#include <segpp/error.h>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <vector>

namespace segpp
{
namespace
{

constexpr char kLIBRARY[] = "tensorrt";
constexpr char kREBUILD[] = "build it here: segpp-build-engine model.onnx model.engine";

constexpr std::size_t kDIGITS_SHOWN = 16;

//! Major, minor and patch of a version.
using Release = std::array<int, 3>;

Release releaseOf(std::string const& version)
{
    Release release{};
    std::istringstream text(version);
    char dot = '\0';
    text >> release[0] >> dot >> release[1] >> dot >> release[2];
    return release;
}

//! TensorRT reads engines of its own release; those built for that also up to the next major one.
bool isReadable(EngineInfo const& about, std::string const& version)
{
    Release const built = releaseOf(about.version);
    Release const here = releaseOf(version);
    return built == here
        || (about.isVersionCompatible && built < here && here[0] - built[0] <= 1);
}

std::string listed(std::vector<std::string> const& names)
{
    std::string text;
    for (std::string const& name : names)
    {
        text += (text.empty() ? "" : ", ") + name;
    }
    return text;
}

} // namespace

void checkEngineLibrary(
    std::filesystem::path const& path, Manifest const& manifest, std::string const& version)
{
    EngineInfo const& about = manifest.engine.value();
    if (about.library != kLIBRARY)
    {
        throw InputError(path.string() + " is an engine of " + about.library
                + ", and this runtime loads those of TensorRT",
            {}, kREBUILD);
    }
    if (!isReadable(about, version))
    {
        throw InputError(path.string() + " was built by another TensorRT",
            {"built by: " + about.version, "here:     " + version}, kREBUILD);
    }
}

void checkEnginePlugins(std::filesystem::path const& path, Manifest const& manifest,
    std::filesystem::path const& library)
{
    std::optional<PluginInfo> const& built = manifest.engine.value().plugins;
    if (!built || built->isEmbedded)
    {
        return;
    }
    std::string const what
        = built->name + " " + built->version + " for TensorRT " + built->tensorrt;
    if (library.empty())
    {
        throw MissingError(path.string() + " calls plugins, and their library is not here",
            {"built with: " + what}, "SEGPP_PLUGINS or --plugin names its file");
    }
    checkFile(library, "plugin library");
    if (std::string const found = sha256Of(library); found != built->sha256)
    {
        throw InputError(path.string() + " was built with another plugin library",
            {"built with: " + what + ", " + built->sha256.substr(0, kDIGITS_SHOWN) + "…",
                "here:       " + found.substr(0, kDIGITS_SHOWN) + "…"},
            kREBUILD);
    }
}

void checkEngineDevice(
    std::filesystem::path const& path, Manifest const& manifest, std::string const& capability)
{
    std::vector<std::string> const& known = manifest.engine.value().computeCapabilities;
    if (std::find(known.begin(), known.end(), capability) == known.end())
    {
        throw InputError(path.string() + " was built for another GPU",
            {"built for: compute capability " + listed(known), "here:      " + capability},
            kREBUILD);
    }
}

} // namespace segpp
