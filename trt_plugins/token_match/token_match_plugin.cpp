#include "token_match_plugin.h"

#include <limits>
#include <new>

namespace segpp
{
namespace
{

enum Attribute : std::size_t
{
    kHEIGHT,
    kWIDTH,
    kSTRIDE_Y,
    kSTRIDE_X,
    kMERGED,
    kWINDOW,
};

constexpr OperatorSpec kSPEC{"SegppTokenMatch", 1, 6,
    {{{"height", 1}, {"width", 1}, {"stride_y", 1}, {"stride_x", 1}, {"merged", 0},
        {"window", 0, 0}}}};

} // namespace

OperatorSpec const& TokenMatchPlugin::spec() noexcept
{
    return kSPEC;
}

TokenMatchPlugin::TokenMatchPlugin(AttributeValues const& values)
    : SegppPlugin{kSPEC, values}
{
    std::int64_t const height = attribute(kHEIGHT);
    std::int64_t const width = attribute(kWIDTH);
    if (height * width > std::numeric_limits<std::int32_t>::max())
    {
        refuse("a grid of " + std::to_string(height) + " x " + std::to_string(width)
            + " has more tokens than INT32 counts");
    }
    std::int64_t const cells = (height / attribute(kSTRIDE_Y)) * (width / attribute(kSTRIDE_X));
    std::int64_t const sources = height * width - cells;
    if (attribute(kMERGED) > sources)
    {
        refuse("merged is " + std::to_string(attribute(kMERGED)) + ", and the grid has "
            + std::to_string(sources) + " sources");
    }
    if (cells == 0 && attribute(kMERGED) > 0)
    {
        refuse("merged is " + std::to_string(attribute(kMERGED))
            + ", and the grid has no complete cell to merge into");
    }
}

nvinfer1::IPluginV3* TokenMatchPlugin::clone() noexcept
{
    return new (std::nothrow) TokenMatchPlugin{*this};
}

void TokenMatchPlugin::requireFits(InputDims const& inputs) const
{
    requireRank("x", inputs[0], 3);
    std::int64_t const tokens = std::int64_t{attribute(kHEIGHT)} * attribute(kWIDTH);
    requireEqual("the number of tokens", inputs[0].d[1], tokens);
}

nvinfer1::DimsExprs TokenMatchPlugin::outputShape(
    nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder&) const
{
    nvinfer1::DimsExprs slot{};
    slot.nbDims = 2;
    slot.d[0] = inputs[0].d[0];
    slot.d[1] = inputs[0].d[1];
    return slot;
}

TokenMatchPlugin::DataType TokenMatchPlugin::outputType(DataType) const noexcept
{
    return DataType::kINT32;
}

TokenMatchShape TokenMatchPlugin::shapeOf(InputDims const& inputs) const noexcept
{
    return {asInt32(inputs[0].d[0]), asInt32(inputs[0].d[2]), attribute(kHEIGHT),
        attribute(kWIDTH), attribute(kSTRIDE_Y), attribute(kSTRIDE_X), attribute(kMERGED),
        attribute(kWINDOW)};
}

std::size_t TokenMatchPlugin::workspaceSize(
    InputDims const& inputs, ElementType type) const noexcept
{
    return tokenMatchWorkspaceSize(shapeOf(inputs), type);
}

cudaError_t TokenMatchPlugin::prepare(InputDims const& inputs, ElementType type) const noexcept
{
    return tokenMatchPrepare(shapeOf(inputs), type);
}

cudaError_t TokenMatchPlugin::launch(InputDims const& inputs, Dims const&, ElementType type,
    Buffers const& buffers) const noexcept
{
    return tokenMatch(shapeOf(inputs), type, buffers.inputs[0],
        static_cast<std::int32_t*>(buffers.output), buffers.workspace, buffers.stream);
}

} // namespace segpp
