//! The ritual of IPluginV3, once: what is left to an operator is its shapes, types and launch.
//!
//! Uses nothing newer than TensorRT 10.3; one source compiles up to 11.
#pragma once

#include "attributes.h"
#include "cuda_utils/element_type.h"

#include <NvInferRuntime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

namespace segpp
{

//! No operator of ours has more.
inline constexpr std::size_t kMAX_INPUTS = 6;

using InputDims = std::array<nvinfer1::Dims, kMAX_INPUTS>;

//! What a kernel reads and writes.
struct Buffers
{
    void const* const* inputs;
    void* output;
    void* workspace;
    cudaStream_t stream;
};

//! An axis that checkRank let through.
inline std::int32_t asInt32(std::int64_t axis) noexcept
{
    return static_cast<std::int32_t>(axis);
}

//! The interfaces of IPluginV3, written once. An operator derives from OperatorPlugin, below, and
//! fills in the protected functions.
class PluginBase : public nvinfer1::IPluginV3,
                   public nvinfer1::IPluginV3OneCore,
                   public nvinfer1::IPluginV3OneBuild,
                   public nvinfer1::IPluginV3OneRuntime
{
public:
    PluginBase(OperatorSpec const& spec, AttributeValues const& values) noexcept;
    PluginBase(PluginBase const& other) noexcept;
    PluginBase& operator=(PluginBase const&) = delete;
    ~PluginBase() override = default;

    nvinfer1::IPluginCapability* getCapabilityInterface(
        nvinfer1::PluginCapabilityType type) noexcept final;

    char const* getPluginName() const noexcept final;
    char const* getPluginVersion() const noexcept final;
    char const* getPluginNamespace() const noexcept final;

    std::int32_t getNbOutputs() const noexcept final;
    std::int32_t getOutputShapes(nvinfer1::DimsExprs const* inputs, std::int32_t nbInputs,
        nvinfer1::DimsExprs const* shapeInputs, std::int32_t nbShapeInputs,
        nvinfer1::DimsExprs* outputs, std::int32_t nbOutputs,
        nvinfer1::IExprBuilder& exprBuilder) noexcept final;
    std::int32_t getOutputDataTypes(nvinfer1::DataType* outputTypes, std::int32_t nbOutputs,
        nvinfer1::DataType const* inputTypes, std::int32_t nbInputs) const noexcept final;
    bool supportsFormatCombination(std::int32_t pos, nvinfer1::DynamicPluginTensorDesc const* inOut,
        std::int32_t nbInputs, std::int32_t nbOutputs) noexcept final;
    std::int32_t configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, std::int32_t nbInputs,
        nvinfer1::DynamicPluginTensorDesc const* out, std::int32_t nbOutputs) noexcept final;
    std::size_t getWorkspaceSize(nvinfer1::DynamicPluginTensorDesc const* inputs,
        std::int32_t nbInputs, nvinfer1::DynamicPluginTensorDesc const* outputs,
        std::int32_t nbOutputs) const noexcept final;
    char const* getTimingCacheID() noexcept final;

    std::int32_t onShapeChange(nvinfer1::PluginTensorDesc const* in, std::int32_t nbInputs,
        nvinfer1::PluginTensorDesc const* out, std::int32_t nbOutputs) noexcept final;
    std::int32_t enqueue(nvinfer1::PluginTensorDesc const* inputDesc,
        nvinfer1::PluginTensorDesc const* outputDesc, void const* const* inputs,
        void* const* outputs, void* workspace, cudaStream_t stream) noexcept final;
    nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept final;
    nvinfer1::PluginFieldCollection const* getFieldsToSerialize() noexcept final;

protected:
    using Dims = nvinfer1::Dims;
    using DataType = nvinfer1::DataType;

    //! The value of the operator's attribute at `index` of its rules.
    std::int32_t attribute(std::size_t index) const noexcept
    {
        return mValues[index];
    }

    //! Throws ContractError unless the tensor has `rank` axes, none of them empty or beyond INT32.
    void checkRank(char const* tensor, Dims const& dims, std::int32_t rank) const;

    //! Throws ContractError if both are known and differ.
    void checkEqual(char const* quantity, std::int64_t found, std::int64_t expected) const;

    //! Throws ContractError if it is known and beyond what the kernel takes.
    void checkAtMost(char const* quantity, std::int64_t found, std::int64_t most) const;

    //! The same of the elements of `rows` times `columns`, to which the kernels count in INT32.
    void checkCountable(char const* quantity, std::int64_t rows, std::int64_t columns) const;

    //! Throws ContractError with `sentence` behind the operator's name.
    [[noreturn]] void fail(std::string const& sentence) const;

    //! Throws ContractError unless the inputs fit the contract; an axis not known yet is -1.
    virtual void checkInputs(InputDims const& inputs) const = 0;

    //! The output's shape for inputs that fit.
    virtual nvinfer1::DimsExprs outputShape(
        nvinfer1::DimsExprs const* inputs, nvinfer1::IExprBuilder& build) const = 0;

    //! The type of the input at `index`, from the second on: slots, where nothing else is said.
    //! `first` is the type of the first input.
    virtual DataType inputType(std::size_t index, DataType first) const noexcept;

    //! The output's type; `first` is the type of the first input.
    virtual DataType outputType(DataType first) const noexcept = 0;

    //! Bytes of scratch memory.
    virtual std::size_t workspaceSize(InputDims const& inputs, ElementType type) const noexcept;

    //! What must happen once per shape and device, before anything is enqueued.
    virtual cudaError_t prepare(InputDims const& inputs, ElementType type) const noexcept;

    //! Enqueues the kernels, without allocating or waiting.
    virtual cudaError_t launch(InputDims const& inputs, Dims const& output, ElementType type,
        Buffers const& buffers) const noexcept = 0;

private:
    void checkCounts(std::int32_t inputs, std::int32_t outputs) const;

    OperatorSpec const& mSpec;
    AttributeValues mValues;
    std::array<nvinfer1::PluginField, kMAX_ATTRIBUTES> mFields;
    nvinfer1::PluginFieldCollection mCollection;
    std::array<char, 128> mTimingCacheId{};
};

//! What the class of an operator derives from; only a type itself can copy itself.
template <typename Plugin>
class OperatorPlugin : public PluginBase
{
public:
    explicit OperatorPlugin(AttributeValues const& values) noexcept
        : PluginBase{Plugin::kSPEC, values}
    {
    }

    nvinfer1::IPluginV3* clone() noexcept final
    {
        return new (std::nothrow) Plugin{static_cast<Plugin const&>(*this)};
    }
};

} // namespace segpp
