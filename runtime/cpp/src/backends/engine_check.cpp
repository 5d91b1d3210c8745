#include "backends/engine_check.h"

#include <segpp/error.h>

#include <algorithm>
#include <vector>

namespace segpp
{
namespace
{

constexpr char kLIBRARY[] = "tensorrt";
constexpr char kREBUILD[] = "build it here: segpp-build-engine model.onnx model.engine";

//! Major, minor and patch of a version: what decides whether TensorRT reads an engine.
std::string firstThree(std::string const& version)
{
    std::size_t end = 0;
    for (int dots = 0; end < version.size(); ++end)
    {
        dots += version[end] == '.' ? 1 : 0;
        if (dots == 3)
        {
            break;
        }
    }
    return version.substr(0, end);
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
    if (firstThree(about.version) != firstThree(version))
    {
        throw InputError(path.string() + " was built by another TensorRT",
            {"built by: " + about.version, "here:     " + version}, kREBUILD);
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
