#include "token_unmerge_plugin.h"

#include "token_unmerge.h"

#include <new>

namespace segpp
{
namespace
{

constexpr OperatorSpec kSPEC{"SegppTokenUnmerge", 2, 0, {}};

} // namespace

OperatorSpec const& TokenUnmergePlugin::spec() noexcept
{
    return kSPEC;
}

TokenUnmergePlugin::TokenUnmergePlugin(AttributeValues const& values)
    : SegppPlugin{kSPEC, values}
{
}

nvinfer1::IPluginV3* TokenUnmergePlugin::clone() noexcept
{
    return new (std::nothrow) TokenUnmergePlugin{*this};
}

void TokenUnmergePlugin::requireFits(InputDims const& inputs) const
{
    requireRank("y", inputs[0], 3);
    requireRank("slot", inputs[1], 2);
    requireEqual("the batch of slot", inputs[1].d[0], inputs[0].d[0]);
}

nvinfer1::DimsExprs TokenUnmergePlugin::outputShape(
    nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder&) const
{
    nvinfer1::DimsExprs x{};
    x.nbDims = 3;
    x.d[0] = inputs[0].d[0];
    x.d[1] = inputs[1].d[1];
    x.d[2] = inputs[0].d[2];
    return x;
}

TokenUnmergePlugin::DataType TokenUnmergePlugin::outputType(DataType first) const noexcept
{
    return first;
}

cudaError_t TokenUnmergePlugin::launch(InputDims const& inputs, Dims const&, ElementType type,
    Buffers const& buffers) const noexcept
{
    Dims const& y = inputs[0];
    TokenUnmergeShape const shape{
        asInt32(y.d[0]), asInt32(inputs[1].d[1]), asInt32(y.d[2]), asInt32(y.d[1])};
    return tokenUnmerge(shape, type, buffers.inputs[0],
        static_cast<std::int32_t const*>(buffers.inputs[1]), buffers.output, buffers.stream);
}

} // namespace segpp
