//! SegppTokenUnmerge: y (B, M, C) and slot (B, N) to x (B, N, C).
#include "token_unmerge.h"

#include "plugin_base/creator.h"
#include "plugin_base/plugin_base.h"

namespace segpp
{
namespace
{

class TokenUnmergePlugin final : public OperatorPlugin<TokenUnmergePlugin>
{
public:
    static constexpr OperatorSpec kSPEC{"SegppTokenUnmerge", 2, 0, {}};

    using OperatorPlugin::OperatorPlugin;

protected:
    void checkInputs(InputDims const& inputs) const override
    {
        checkRank("y", inputs[0], 3);
        checkRank("slot", inputs[1], 2);
        checkEqual("the batch of slot", inputs[1].d[0], inputs[0].d[0]);
        checkCountable("the size of an image of x", inputs[1].d[1], inputs[0].d[2]);
        checkCountable("the size of an image of y", inputs[0].d[1], inputs[0].d[2]);
    }

    nvinfer1::DimsExprs outputShape(
        nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder&) const override
    {
        nvinfer1::DimsExprs x{};
        x.nbDims = 3;
        x.d[0] = inputs[0].d[0];
        x.d[1] = inputs[1].d[1];
        x.d[2] = inputs[0].d[2];
        return x;
    }

    DataType outputType(DataType first) const noexcept override
    {
        return first;
    }

    cudaError_t launch(InputDims const& inputs, Dims const&, ElementType type,
        Buffers const& buffers) const noexcept override
    {
        Dims const& y = inputs[0];
        TokenUnmergeShape const shape{
            asInt32(y.d[0]), asInt32(inputs[1].d[1]), asInt32(y.d[2]), asInt32(y.d[1])};
        return tokenUnmerge(shape, type, buffers.inputs[0],
            static_cast<std::int32_t const*>(buffers.inputs[1]), buffers.output, buffers.stream);
    }
};

} // namespace

nvinfer1::IPluginCreatorInterface& tokenUnmergeCreator() noexcept
{
    return creatorOf<TokenUnmergePlugin>();
}

} // namespace segpp
