//! SegppTokenMerge: x (B, N, C) and slot (B, N) to y (B, M, C).
#include "token_merge.h"

#include "plugin_base/creator.h"
#include "plugin_base/plugin_base.h"

namespace segpp
{
namespace
{

enum Attribute : std::size_t
{
    kSLOTS,
    kSINGLES,
};

class TokenMergePlugin final : public OperatorPlugin<TokenMergePlugin>
{
public:
    //! `singles` promises that each of the first so many slots has one row; it changes no result.
    static constexpr OperatorSpec kSPEC{
        "SegppTokenMerge", 2, 2, {{{"slots", 1}, {"singles", 0, 0}}}};

    explicit TokenMergePlugin(AttributeValues const& values)
        : OperatorPlugin{values}
    {
        if (attribute(kSINGLES) > attribute(kSLOTS))
        {
            fail("singles is " + std::to_string(attribute(kSINGLES)) + ", and there are "
                + std::to_string(attribute(kSLOTS)) + " slots");
        }
    }

protected:
    void checkInputs(InputDims const& inputs) const override
    {
        checkRank("x", inputs[0], 3);
        checkRank("slot", inputs[1], 2);
        checkEqual("the batch of slot", inputs[1].d[0], inputs[0].d[0]);
        checkEqual("the number of tokens of slot", inputs[1].d[1], inputs[0].d[1]);
        checkAtMost("the number of tokens", inputs[0].d[1], kMostMergeTokens);
        checkCountable("the size of an image of x", inputs[0].d[1], inputs[0].d[2]);
        checkCountable("the size of an image of y", attribute(kSLOTS), inputs[0].d[2]);
    }

    nvinfer1::DimsExprs outputShape(
        nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder& build) const override
    {
        nvinfer1::DimsExprs y{};
        y.nbDims = 3;
        y.d[0] = inputs[0].d[0];
        y.d[1] = build.constant(attribute(kSLOTS));
        y.d[2] = inputs[0].d[2];
        return y;
    }

    DataType outputType(DataType first) const noexcept override
    {
        return first;
    }

    std::size_t workspaceSize(InputDims const& inputs, ElementType type) const noexcept override
    {
        return tokenMergeWorkspaceSize(shapeOf(inputs), type);
    }

    cudaError_t launch(InputDims const& inputs, Dims const&, ElementType type,
        Buffers const& buffers) const noexcept override
    {
        return tokenMerge(shapeOf(inputs), type, buffers.inputs[0],
            static_cast<std::int32_t const*>(buffers.inputs[1]), buffers.output, buffers.workspace,
            buffers.stream);
    }

private:
    TokenMergeShape shapeOf(InputDims const& inputs) const noexcept
    {
        Dims const& x = inputs[0];
        return {asInt32(x.d[0]), asInt32(x.d[1]), asInt32(x.d[2]), attribute(kSLOTS),
            attribute(kSINGLES)};
    }
};

} // namespace

nvinfer1::IPluginCreatorInterface& tokenMergeCreator() noexcept
{
    return creatorOf<TokenMergePlugin>();
}

} // namespace segpp
