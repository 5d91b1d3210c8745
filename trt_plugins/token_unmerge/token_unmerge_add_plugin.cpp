//! SegppTokenUnmergeAdd: y (B, M, C), slot (B, N) and residual (B, N, C) to x (B, N, C).
#include "token_unmerge.h"

#include "plugin_base/creator.h"
#include "plugin_base/plugin_base.h"

namespace segpp
{
namespace
{

class TokenUnmergeAddPlugin final : public OperatorPlugin<TokenUnmergeAddPlugin>
{
public:
    static constexpr OperatorSpec kSPEC{"SegppTokenUnmergeAdd", 3, 0, {}};

    using OperatorPlugin::OperatorPlugin;

protected:
    void checkInputs(InputDims const& inputs) const override
    {
        checkRank("y", inputs[0], 3);
        checkRank("slot", inputs[1], 2);
        checkRank("residual", inputs[2], 3);
        checkEqual("the batch of slot", inputs[1].d[0], inputs[0].d[0]);
        checkEqual("the batch of residual", inputs[2].d[0], inputs[0].d[0]);
        checkEqual("the number of tokens of residual", inputs[2].d[1], inputs[1].d[1]);
        checkEqual("the number of channels of residual", inputs[2].d[2], inputs[0].d[2]);
        checkCountable("the size of an image of x", inputs[1].d[1], inputs[0].d[2]);
        checkCountable("the size of an image of y", inputs[0].d[1], inputs[0].d[2]);
    }

    nvinfer1::DimsExprs outputShape(
        nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder&) const override
    {
        return inputs[2];
    }

    DataType inputType(std::size_t index, DataType first) const noexcept override
    {
        return index == 1 ? DataType::kINT32 : first;
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
        UnmergeAddBuffers const rows{buffers.inputs[0],
            static_cast<std::int32_t const*>(buffers.inputs[1]), buffers.inputs[2],
            buffers.output};
        return tokenUnmergeAdd(shape, type, rows, buffers.stream);
    }
};

} // namespace

nvinfer1::IPluginCreatorInterface& tokenUnmergeAddCreator() noexcept
{
    return creatorOf<TokenUnmergeAddPlugin>();
}

} // namespace segpp
