#include "session/signature.h"

#include <segpp/error.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <string>

namespace segpp
{
namespace
{

constexpr std::size_t kTENSOR_DIMENSIONS = 4;
constexpr std::size_t kLABEL_DIMENSIONS = 3;

std::string joined(std::vector<std::int64_t> const& shape, char const* between)
{
    std::string text;
    for (std::int64_t const side : shape)
    {
        text += (text.empty() ? "" : between) + (side < 0 ? "?" : std::to_string(side));
    }
    return text;
}

std::string textOf(TensorInfo const& info)
{
    return info.name + " " + info.dtype + " (" + joined(info.shape, ", ") + ")";
}

std::string textOf(std::vector<TensorInfo> const& all)
{
    std::string text;
    for (TensorInfo const& one : all)
    {
        text += (text.empty() ? "" : "; ") + textOf(one);
    }
    return text;
}

bool fits(TensorInfo const& expected, TensorInfo const& declared)
{
    // A file may leave a dimension open where shape inference gave up; the manifest fills it.
    return expected.name == declared.name && expected.dtype == declared.dtype
        && std::equal(expected.shape.begin(), expected.shape.end(), declared.shape.begin(),
            declared.shape.end(),
            [](std::int64_t mine, std::int64_t theirs) { return theirs < 0 || mine == theirs; });
}

void compare(std::filesystem::path const& path, std::string const& side,
    std::vector<TensorInfo> const& expected, std::vector<TensorInfo> const& declared)
{
    bool const isAll
        = std::all_of(expected.begin(), expected.end(), [&](TensorInfo const& one) {
              return std::any_of(declared.begin(), declared.end(),
                  [&](TensorInfo const& other) { return fits(one, other); });
          });
    // A file may give more than its manifest names, and not take more.
    if (!isAll || (side == "input" && declared.size() != expected.size()))
    {
        throw InputError(path.string() + " has another " + side + " than its manifest says",
            {"manifest: " + textOf(expected), "file:     " + textOf(declared)});
    }
}

void checkOutput(std::string const& beside, Manifest const& manifest, OutputSpec const& output)
{
    std::size_t const dimensions = output.isLabels ? kLABEL_DIMENSIONS : kTENSOR_DIMENSIONS;
    if (output.shape.size() != dimensions || output.shape[0] != manifest.input.shape[0])
    {
        throw InputError(beside + " gives " + (output.isLabels ? "labels" : "logits")
            + " the shape [" + joined(output.shape, ", ") + "]");
    }
    auto const named = static_cast<std::int64_t>(manifest.classes.names.size());
    // One channel tells two classes apart.
    if (!output.isLabels && std::max<std::int64_t>(output.channels(), 2) != named)
    {
        throw InputError(beside + " names " + std::to_string(named) + " classes for logits of "
            + std::to_string(output.channels()));
    }
}

double valuesOf(std::vector<std::int64_t> const& shape)
{
    double values = 1.0;
    for (std::int64_t const side : shape)
    {
        values *= static_cast<double>(side);
    }
    return values;
}

//! Bytes that a process may still take, 0 if the system does not tell.
double freeMemory()
{
    std::ifstream file("/proc/meminfo");
    std::string name;
    double kilobytes = 0.0;
    for (std::string rest; file >> name >> kilobytes; std::getline(file, rest))
    {
        if (name == "MemAvailable:")
        {
            return kilobytes * 1024.0;
        }
    }
    return 0.0;
}

std::string gigabytes(double bytes)
{
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "%.1f GB", bytes / 1e9);
    return text.data();
}

} // namespace

void checkSignature(
    std::filesystem::path const& path, Manifest const& manifest, Backend const& backend)
{
    InputSpec const& spec = manifest.input;
    compare(path, "input", {{spec.name, spec.shape, spec.dtype}}, backend.inputs());
    std::vector<TensorInfo> outputs;
    for (OutputSpec const& output : manifest.outputs)
    {
        outputs.push_back({output.name, output.shape, output.dtype});
    }
    compare(path, "output", outputs, backend.outputs());
    for (OutputSpec const& output : manifest.outputs)
    {
        checkOutput(path.string() + ".json", manifest, output);
    }
}

void checkMemory(std::filesystem::path const& path, Manifest const& manifest)
{
    // What is prepared and interpolated are floats, whatever the network takes and gives.
    double bytes = 4.0 * valuesOf(manifest.input.shape);
    for (OutputSpec const& output : manifest.outputs)
    {
        bytes += 4.0 * valuesOf(output.shape);
    }
    double const free = freeMemory();
    if (free > 0.0 && bytes > free)
    {
        throw InputError(path.string() + " takes " + joined(manifest.input.shape, "x")
                + ": its input and outputs alone are " + gigabytes(bytes),
            {"free memory: " + gigabytes(free)}, "export it at a smaller --size or --batch");
    }
}

} // namespace segpp
