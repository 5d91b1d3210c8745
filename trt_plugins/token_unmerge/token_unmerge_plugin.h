//! SegppTokenUnmerge: y (B,M,C) and slot (B,N) to x (B,N,C).
#pragma once

#include "plugin_base/plugin_base.h"

namespace segpp
{

class TokenUnmergePlugin final : public SegppPlugin
{
public:
    static OperatorSpec const& spec() noexcept;
    explicit TokenUnmergePlugin(AttributeValues const& values);

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
