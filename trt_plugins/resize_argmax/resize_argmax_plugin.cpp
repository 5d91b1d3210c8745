//! SegppResizeArgmax: logits (B, K, h, w) to labels (B, H, W).
#include "resize_argmax.h"

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
    kCLASSES,
    kALIGN_CORNERS,
};

constexpr std::int32_t kMAX_INT8_CLASSES = 127;

class ResizeArgmaxPlugin final : public OperatorPlugin<ResizeArgmaxPlugin>
{
public:
    //! TensorRT asks for the type of the labels before it tells a shape, so the node counts the
    //! classes. Without that count the labels are INT8.
    static constexpr OperatorSpec kSPEC{
        "SegppResizeArgmax", 1, 4,
        {{{"height", 1}, {"width", 1}, {"classes", 0, 0}, {"align_corners", 0, 0}}}};

    explicit ResizeArgmaxPlugin(AttributeValues const& values)
        : OperatorPlugin{values}
    {
        checkCountable(
            "the number of labels of an image", attribute(kHEIGHT), attribute(kWIDTH));
    }

protected:
    void checkInputs(InputDims const& inputs) const override
    {
        checkRank("logits", inputs[0], 4);
        std::int64_t const classes = inputs[0].d[1];
        checkCountable("the size of a class's logits", inputs[0].d[2], inputs[0].d[3]);
        if (inputs[0].d[2] > 0 && inputs[0].d[3] > 0)
        {
            checkCountable(
                "the size of an image's logits", inputs[0].d[2] * inputs[0].d[3], classes);
        }
        if (attribute(kCLASSES) > 0)
        {
            checkEqual("the number of classes", classes, attribute(kCLASSES));
        }
        else if (classes > kMAX_INT8_CLASSES)
        {
            fail("the logits have " + std::to_string(classes)
                + " classes, and the node lacks the attribute classes, which makes its labels"
                  " INT32");
        }
    }

    nvinfer1::DimsExprs outputShape(
        nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder& build) const override
    {
        nvinfer1::DimsExprs labels{};
        labels.nbDims = 3;
        labels.d[0] = inputs[0].d[0];
        labels.d[1] = build.constant(attribute(kHEIGHT));
        labels.d[2] = build.constant(attribute(kWIDTH));
        return labels;
    }

    DataType outputType(DataType) const noexcept override
    {
        return attribute(kCLASSES) > kMAX_INT8_CLASSES ? DataType::kINT32 : DataType::kINT8;
    }

    cudaError_t launch(InputDims const& inputs, Dims const& output, ElementType type,
        Buffers const& buffers) const noexcept override
    {
        Dims const& logits = inputs[0];
        ResizeArgmaxShape const shape{asInt32(logits.d[0]), asInt32(logits.d[1]),
            asInt32(logits.d[2]), asInt32(logits.d[3]), asInt32(output.d[1]), asInt32(output.d[2]),
            attribute(kALIGN_CORNERS) != 0};
        return resizeArgmax(shape, type, buffers.inputs[0], buffers.output, buffers.stream);
    }
};

} // namespace

nvinfer1::IPluginCreatorInterface& resizeArgmaxCreator() noexcept
{
    return creatorOf<ResizeArgmaxPlugin>();
}

} // namespace segpp
