//! SegppTokenMatch: x (B,N,C) to slot (B,N).
#pragma once

#include "plugin_base/plugin_base.h"
#include "token_match.h"

namespace segpp
{

class TokenMatchPlugin final : public SegppPlugin
{
public:
    static OperatorSpec const& spec() noexcept;
    explicit TokenMatchPlugin(AttributeValues const& values);

    nvinfer1::IPluginV3* clone() noexcept override;

protected:
    void requireFits(InputDims const& inputs) const override;
    nvinfer1::DimsExprs outputShape(
        nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder& build) const override;
    DataType outputType(DataType first) const noexcept override;
    std::size_t workspaceSize(InputDims const& inputs, ElementType type) const noexcept override;
    cudaError_t prepare(InputDims const& inputs, ElementType type) const noexcept override;
    cudaError_t launch(InputDims const& inputs, Dims const& output, ElementType type,
        Buffers const& buffers) const noexcept override;

private:
    TokenMatchShape shapeOf(InputDims const& inputs) const noexcept;
};

} // namespace segpp
