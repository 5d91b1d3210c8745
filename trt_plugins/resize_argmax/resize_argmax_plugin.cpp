#include "resize_argmax_plugin.h"

#include "resize_argmax.h"

#include <new>

namespace segpp
{
namespace
{

enum Attribute : std::size_t
{
    kHEIGHT,
    kWIDTH,
    kCLASSES,
};

//! TensorRT asks for the type of the labels before it tells a shape, so the node counts the
//! classes. Without that count the labels are INT8.
constexpr OperatorSpec kSPEC{
    "SegppResizeArgmax", 1, 3, {{{"height", 1}, {"width", 1}, {"classes", 0, 0}}}};

constexpr std::int32_t kMAX_INT8_CLASSES = 127;

} // namespace

OperatorSpec const& ResizeArgmaxPlugin::spec() noexcept
{
    return kSPEC;
}

ResizeArgmaxPlugin::ResizeArgmaxPlugin(AttributeValues const& values)
    : SegppPlugin{kSPEC, values}
{
}

nvinfer1::IPluginV3* ResizeArgmaxPlugin::clone() noexcept
{
    return new (std::nothrow) ResizeArgmaxPlugin{*this};
}

void ResizeArgmaxPlugin::requireFits(InputDims const& inputs) const
{
    requireRank("logits", inputs[0], 4);
    std::int64_t const classes = inputs[0].d[1];
    if (attribute(kCLASSES) > 0)
    {
        requireEqual("the number of classes", classes, attribute(kCLASSES));
    }
    else if (classes > kMAX_INT8_CLASSES)
    {
        refuse("the logits have " + std::to_string(classes)
            + " classes, and the node lacks the attribute classes, which makes its labels INT32");
    }
}

nvinfer1::DimsExprs ResizeArgmaxPlugin::outputShape(
    nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder& build) const
{
    nvinfer1::DimsExprs labels{};
    labels.nbDims = 3;
    labels.d[0] = inputs[0].d[0];
    labels.d[1] = build.constant(attribute(kHEIGHT));
    labels.d[2] = build.constant(attribute(kWIDTH));
    return labels;
}

ResizeArgmaxPlugin::DataType ResizeArgmaxPlugin::outputType(DataType) const noexcept
{
    return attribute(kCLASSES) > kMAX_INT8_CLASSES ? DataType::kINT32 : DataType::kINT8;
}

cudaError_t ResizeArgmaxPlugin::launch(InputDims const& inputs, Dims const& output,
    ElementType type, Buffers const& buffers) const noexcept
{
    Dims const& logits = inputs[0];
    ResizeArgmaxShape const shape{asInt32(logits.d[0]), asInt32(logits.d[1]),
        asInt32(logits.d[2]), asInt32(logits.d[3]), asInt32(output.d[1]), asInt32(output.d[2])};
    return resizeArgmax(shape, type, buffers.inputs[0], buffers.output, buffers.stream);
}

} // namespace segpp
