//! SegppTokenMatch: x (B, N, C) to slot (B, N).
#include "token_match.h"

#include "plugin_base/creator.h"
#include "plugin_base/plugin_base.h"

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

class TokenMatchPlugin final : public OperatorPlugin<TokenMatchPlugin>
{
public:
    static constexpr OperatorSpec kSPEC{"SegppTokenMatch", 1, 6,
        {{{"height", 1}, {"width", 1}, {"stride_y", 1}, {"stride_x", 1}, {"merged", 0},
            {"window", 0, 0}}}};

    explicit TokenMatchPlugin(AttributeValues const& values)
        : OperatorPlugin{values}
    {
        std::int64_t const height = attribute(kHEIGHT);
        std::int64_t const width = attribute(kWIDTH);
        checkAtMost("the number of tokens of the grid", height * width, kMostMatchTokens);
        std::int64_t const cells = (height / attribute(kSTRIDE_Y)) * (width / attribute(kSTRIDE_X));
        std::int64_t const sources = height * width - cells;
        if (attribute(kMERGED) > sources)
        {
            fail("merged is " + std::to_string(attribute(kMERGED)) + ", and the grid has "
                + std::to_string(sources) + " sources");
        }
        if (cells == 0)
        {
            fail("a grid of " + std::to_string(height) + " x " + std::to_string(width)
                + " has no complete cell of " + std::to_string(attribute(kSTRIDE_Y)) + " x "
                + std::to_string(attribute(kSTRIDE_X)) + " to merge into");
        }
    }

protected:
    void checkInputs(InputDims const& inputs) const override
    {
        checkRank("x", inputs[0], 3);
        std::int64_t const tokens = std::int64_t{attribute(kHEIGHT)} * attribute(kWIDTH);
        checkEqual("the number of tokens", inputs[0].d[1], tokens);
        checkAtMost("the batch of x", inputs[0].d[0], kMostMatchImages);
    }

    nvinfer1::DimsExprs outputShape(
        nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder&) const override
    {
        nvinfer1::DimsExprs slot{};
        slot.nbDims = 2;
        slot.d[0] = inputs[0].d[0];
        slot.d[1] = inputs[0].d[1];
        return slot;
    }

    DataType outputType(DataType) const noexcept override
    {
        return DataType::kINT32;
    }

    std::size_t workspaceSize(InputDims const& inputs, ElementType type) const noexcept override
    {
        return tokenMatchWorkspaceSize(shapeOf(inputs), type);
    }

    cudaError_t prepare(InputDims const& inputs, ElementType type) const noexcept override
    {
        return tokenMatchPrepare(shapeOf(inputs), type);
    }

    cudaError_t launch(InputDims const& inputs, Dims const&, ElementType type,
        Buffers const& buffers) const noexcept override
    {
        return tokenMatch(shapeOf(inputs), type, buffers.inputs[0],
            static_cast<std::int32_t*>(buffers.output), buffers.workspace, buffers.stream);
    }

private:
    TokenMatchShape shapeOf(InputDims const& inputs) const noexcept
    {
        return {asInt32(inputs[0].d[0]), asInt32(inputs[0].d[2]), attribute(kHEIGHT),
            attribute(kWIDTH), attribute(kSTRIDE_Y), attribute(kSTRIDE_X), attribute(kMERGED),
            attribute(kWINDOW)};
    }
};

} // namespace

nvinfer1::IPluginCreatorInterface& tokenMatchCreator() noexcept
{
    return creatorOf<TokenMatchPlugin>();
}

} // namespace segpp
