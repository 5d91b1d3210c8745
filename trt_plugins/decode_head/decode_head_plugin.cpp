//! SegppDecodeHead: four levels (B, D, h_i, w_i), weight (K, D, 1, 1) and bias (K) to logits
//! (B, K, h, w).
#include "decode_head.h"

#include "plugin_base/creator.h"
#include "plugin_base/plugin_base.h"

#include <algorithm>
#include <iterator>

namespace segpp
{
namespace
{

enum Input : std::size_t
{
    kWEIGHT = kHeadLevels,
    kBIAS,
};

enum Attribute : std::size_t
{
    kALIGN_CORNERS,
};

constexpr std::array<char const*, kHeadLevels> kLEVELS{"first", "second", "third", "fourth"};

class DecodeHeadPlugin final : public OperatorPlugin<DecodeHeadPlugin>
{
public:
    static constexpr OperatorSpec kSPEC{"SegppDecodeHead", 6, 1, {{{"align_corners", 0, 0}}}};

    using OperatorPlugin::OperatorPlugin;

protected:
    void checkInputs(InputDims const& inputs) const override
    {
        Dims const& first = inputs[0];
        for (std::size_t i = 0; i < kLEVELS.size(); ++i)
        {
            checkRank(kLEVELS[i], inputs[i], 4);
            std::string const level = kLEVELS[i];
            checkEqual(("the batch of " + level).c_str(), inputs[i].d[0], first.d[0]);
            checkEqual(("the number of channels of " + level).c_str(), inputs[i].d[1], first.d[1]);
        }
        Dims const& weight = inputs[kWEIGHT];
        checkRank("weight", weight, 4);
        checkEqual("the number of channels of weight", weight.d[1], first.d[1]);
        checkEqual("the height of weight", weight.d[2], 1);
        checkEqual("the width of weight", weight.d[3], 1);
        checkRank("bias", inputs[kBIAS], 1);
        checkEqual("the number of classes of bias", inputs[kBIAS].d[0], weight.d[0]);
        checkKernelTakes(inputs);
    }

    nvinfer1::DimsExprs outputShape(
        nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder&) const override
    {
        nvinfer1::DimsExprs logits = inputs[0];
        logits.d[1] = inputs[kWEIGHT].d[0];
        return logits;
    }

    DataType inputType(std::size_t, DataType first) const noexcept override
    {
        return first;
    }

    DataType outputType(DataType first) const noexcept override
    {
        return first;
    }

    cudaError_t launch(InputDims const& inputs, Dims const&, ElementType type,
        Buffers const& buffers) const noexcept override
    {
        DecodeHeadInputs from{};
        std::copy_n(buffers.inputs, kHeadLevels, std::begin(from.levels));
        from.weight = buffers.inputs[kWEIGHT];
        from.bias = buffers.inputs[kBIAS];
        return decodeHead(shapeOf(inputs), type, from, buffers.output, buffers.stream);
    }

private:
    //! What the kernels count in INT32, once every axis is known.
    void checkKernelTakes(InputDims const& inputs) const
    {
        bool const known = std::all_of(inputs.begin(), inputs.begin() + kSPEC.inputs,
            [](Dims const& dims) { return std::all_of(dims.d, dims.d + dims.nbDims,
                [](std::int64_t axis) { return axis > 0; }); });
        if (known && !decodeHeadIsValid(shapeOf(inputs)))
        {
            fail("levels or logits have more values per image than INT32 counts, or there are more"
                 " than 65535 images or classes");
        }
    }

    DecodeHeadShape shapeOf(InputDims const& inputs) const noexcept
    {
        DecodeHeadShape shape{};
        shape.batch = asInt32(inputs[0].d[0]);
        shape.channels = asInt32(inputs[0].d[1]);
        shape.classes = asInt32(inputs[kWEIGHT].d[0]);
        for (int i = 0; i < kHeadLevels; ++i)
        {
            shape.height[i] = asInt32(inputs[i].d[2]);
            shape.width[i] = asInt32(inputs[i].d[3]);
        }
        shape.align_corners = attribute(kALIGN_CORNERS) != 0;
        return shape;
    }
};

} // namespace

nvinfer1::IPluginCreatorInterface& decodeHeadCreator() noexcept
{
    return creatorOf<DecodeHeadPlugin>();
}

} // namespace segpp
