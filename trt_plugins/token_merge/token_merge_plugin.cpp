#include "token_merge_plugin.h"

#include <new>

namespace segpp
{
namespace
{

enum Attribute : std::size_t
{
    kSLOTS,
    kSINGLES,
};

//! `singles` promises that each of the first so many slots has one row; it changes no result.
constexpr OperatorSpec kSPEC{"SegppTokenMerge", 2, 2, {{{"slots", 1}, {"singles", 0, 0}}}};

} // namespace

OperatorSpec const& TokenMergePlugin::spec() noexcept
{
    return kSPEC;
}

TokenMergePlugin::TokenMergePlugin(AttributeValues const& values)
    : SegppPlugin{kSPEC, values}
{
    if (attribute(kSINGLES) > attribute(kSLOTS))
    {
        refuse("singles is " + std::to_string(attribute(kSINGLES)) + ", and there are "
            + std::to_string(attribute(kSLOTS)) + " slots");
    }
}

nvinfer1::IPluginV3* TokenMergePlugin::clone() noexcept
{
    return new (std::nothrow) TokenMergePlugin{*this};
}

void TokenMergePlugin::requireFits(InputDims const& inputs) const
{
    requireRank("x", inputs[0], 3);
    requireRank("slot", inputs[1], 2);
    requireEqual("the batch of slot", inputs[1].d[0], inputs[0].d[0]);
    requireEqual("the number of tokens of slot", inputs[1].d[1], inputs[0].d[1]);
}

nvinfer1::DimsExprs TokenMergePlugin::outputShape(
    nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder& build) const
{
    nvinfer1::DimsExprs y{};
    y.nbDims = 3;
    y.d[0] = inputs[0].d[0];
    y.d[1] = build.constant(attribute(kSLOTS));
    y.d[2] = inputs[0].d[2];
    return y;
}

TokenMergePlugin::DataType TokenMergePlugin::outputType(DataType first) const noexcept
{
    return first;
}

TokenMergeShape TokenMergePlugin::shapeOf(InputDims const& inputs) const noexcept
{
    Dims const& x = inputs[0];
    return {asInt32(x.d[0]), asInt32(x.d[1]), asInt32(x.d[2]), attribute(kSLOTS)};
}

std::size_t TokenMergePlugin::workspaceSize(
    InputDims const& inputs, ElementType type) const noexcept
{
    return tokenMergeWorkspaceSize(shapeOf(inputs), type);
}

cudaError_t TokenMergePlugin::launch(InputDims const& inputs, Dims const&, ElementType type,
    Buffers const& buffers) const noexcept
{
    return tokenMerge(shapeOf(inputs), type, buffers.inputs[0],
        static_cast<std::int32_t const*>(buffers.inputs[1]), buffers.output, buffers.workspace,
        buffers.stream);
}

} // namespace segpp
