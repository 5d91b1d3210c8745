//! SegppResizeArgmax: logits (B,K,h,w) to labels (B,H,W).
#pragma once

#include "plugin_base/plugin_base.h"

namespace segpp
{

class ResizeArgmaxPlugin final : public SegppPlugin
{
public:
    static OperatorSpec const& spec() noexcept;
    explicit ResizeArgmaxPlugin(AttributeValues const& values);

    nvinfer1::IPluginV3* clone() noexcept override;

protected:
    void requireFits(InputDims const& inputs) const override;
    nvinfer1::DimsExprs outputShape(
        nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder& build) const override;
    DataType outputType(DataType first) const noexcept override;
    cudaError_t launch(InputDims const& inputs, Dims const& output, ElementType type,
        Buffers const& buffers) const noexcept override;
};

} // namespace segpp
