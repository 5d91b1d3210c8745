#include "plugin_base.h"

#include "checks.h"

#include <algorithm>
#include <cstdio>
#include <limits>

namespace segpp
{
namespace
{

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::DimsExprs;
using nvinfer1::DynamicPluginTensorDesc;
using nvinfer1::PluginTensorDesc;

constexpr std::int64_t kUNKNOWN_AXIS = -1;

bool isElementType(DataType type) noexcept
{
    return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
}

ElementType elementType(DataType type) noexcept
{
    switch (type)
    {
    case DataType::kHALF: return ElementType::kFloat16;
    case DataType::kBF16: return ElementType::kBFloat16;
    default: return ElementType::kFloat32;
    }
}

Dims knownDims(DimsExprs const& expressions)
{
    Dims dims{};
    dims.nbDims = expressions.nbDims;
    for (std::int32_t i = 0; i < dims.nbDims; ++i)
    {
        auto const* const axis = expressions.d[i];
        dims.d[i] = axis->isConstant() ? axis->getConstantValue() : kUNKNOWN_AXIS;
    }
    return dims;
}

//! The largest shape, for which the workspace must do; that of a static tensor is its only one.
Dims largestDims(DynamicPluginTensorDesc const& tensor)
{
    return tensor.max.nbDims == tensor.desc.dims.nbDims ? tensor.max : tensor.desc.dims;
}

template <typename Tensor, typename DimsOf>
InputDims gather(Tensor const* tensors, std::int32_t count, DimsOf dimsOf)
{
    InputDims inputs{};
    std::transform(tensors, tensors + count, inputs.begin(), dimsOf);
    return inputs;
}

InputDims gather(PluginTensorDesc const* tensors, std::int32_t count)
{
    return gather(tensors, count, [](PluginTensorDesc const& tensor) { return tensor.dims; });
}

} // namespace

PluginBase::PluginBase(OperatorSpec const& spec, AttributeValues const& values) noexcept
    : mSpec{spec}
    , mValues{values}
{
    std::size_t at = 0;
    for (std::size_t i = 0; i < spec.attributeCount; ++i)
    {
        char const* const name = spec.attributes[i].name;
        mFields[i] = {name, &mValues[i], nvinfer1::PluginFieldType::kINT32, 1};
        int const written = std::snprintf(mTimingCacheId.data() + at, mTimingCacheId.size() - at,
            "%s=%d;", name, static_cast<int>(values[i]));
        at = std::min(at + static_cast<std::size_t>(std::max(written, 0)),
            mTimingCacheId.size() - 1);
    }
    mCollection = {static_cast<std::int32_t>(spec.attributeCount), mFields.data()};
}

// The fields point into their own plugin.
PluginBase::PluginBase(PluginBase const& other) noexcept
    : PluginBase{other.mSpec, other.mValues}
{
}

nvinfer1::IPluginCapability* PluginBase::getCapabilityInterface(
    nvinfer1::PluginCapabilityType type) noexcept
{
    switch (type)
    {
    case nvinfer1::PluginCapabilityType::kCORE:
        return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    case nvinfer1::PluginCapabilityType::kBUILD:
        return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
    case nvinfer1::PluginCapabilityType::kRUNTIME:
        return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
    }
    return nullptr;
}

char const* PluginBase::getPluginName() const noexcept
{
    return mSpec.name;
}

char const* PluginBase::getPluginVersion() const noexcept
{
    return kVERSION;
}

char const* PluginBase::getPluginNamespace() const noexcept
{
    return kNAMESPACE;
}

std::int32_t PluginBase::getNbOutputs() const noexcept
{
    return 1;
}

std::int32_t PluginBase::getOutputShapes(DimsExprs const* inputs, std::int32_t nbInputs,
    DimsExprs const*, std::int32_t, DimsExprs* outputs, std::int32_t nbOutputs,
    nvinfer1::IExprBuilder& exprBuilder) noexcept
{
    bool const done = succeeds([&] {
        checkCounts(nbInputs, nbOutputs);
        checkInputs(gather(inputs, nbInputs, knownDims));
        outputs[0] = outputShape(inputs, exprBuilder);
    });
    return done ? 0 : -1;
}

std::int32_t PluginBase::getOutputDataTypes(DataType* outputTypes, std::int32_t nbOutputs,
    DataType const* inputTypes, std::int32_t nbInputs) const noexcept
{
    bool const done = succeeds([&] {
        checkCounts(nbInputs, nbOutputs);
        outputTypes[0] = outputType(inputTypes[0]);
    });
    return done ? 0 : -1;
}

bool PluginBase::supportsFormatCombination(std::int32_t pos, DynamicPluginTensorDesc const* inOut,
    std::int32_t nbInputs, std::int32_t nbOutputs) noexcept
{
    if (nbInputs != mSpec.inputs || nbOutputs != 1)
    {
        return false;
    }
    PluginTensorDesc const& tensor = inOut[pos].desc;
    if (tensor.format != nvinfer1::TensorFormat::kLINEAR)
    {
        return false;
    }
    if (pos == 0)
    {
        return isElementType(tensor.type);
    }
    if (pos < nbInputs)
    {
        return tensor.type == inputType(static_cast<std::size_t>(pos), inOut[0].desc.type);
    }
    return tensor.type == outputType(inOut[0].desc.type);
}

std::int32_t PluginBase::configurePlugin(DynamicPluginTensorDesc const* in, std::int32_t nbInputs,
    DynamicPluginTensorDesc const*, std::int32_t nbOutputs) noexcept
{
    bool const done = succeeds([&] {
        checkCounts(nbInputs, nbOutputs);
        checkInputs(gather(in, nbInputs, largestDims));
    });
    return done ? 0 : -1;
}

std::size_t PluginBase::getWorkspaceSize(DynamicPluginTensorDesc const* inputs,
    std::int32_t nbInputs, DynamicPluginTensorDesc const*, std::int32_t) const noexcept
{
    return workspaceSize(
        gather(inputs, nbInputs, largestDims), elementType(inputs[0].desc.type));
}

//! Without one, TensorRT would time every node anew. The shapes and types it adds itself.
char const* PluginBase::getTimingCacheID() noexcept
{
    return mTimingCacheId.data();
}

std::int32_t PluginBase::onShapeChange(PluginTensorDesc const* in, std::int32_t nbInputs,
    PluginTensorDesc const*, std::int32_t nbOutputs) noexcept
{
    bool const done = succeeds([&] {
        checkCounts(nbInputs, nbOutputs);
        InputDims const inputs = gather(in, nbInputs);
        checkInputs(inputs);
        if (cudaError_t const error = prepare(inputs, elementType(in[0].type)))
        {
            fail(std::string("CUDA cannot prepare the kernel: ") + cudaGetErrorString(error));
        }
    });
    return done ? 0 : -1;
}

std::int32_t PluginBase::enqueue(PluginTensorDesc const* inputDesc,
    PluginTensorDesc const* outputDesc, void const* const* inputs, void* const* outputs,
    void* workspace, cudaStream_t stream) noexcept
{
    cudaError_t const error = launch(gather(inputDesc, mSpec.inputs), outputDesc[0].dims,
        elementType(inputDesc[0].type), {inputs, outputs[0], workspace, stream});
    if (error != cudaSuccess)
    {
        return succeeds([&] {
            fail(std::string("CUDA cannot launch the kernel: ") + cudaGetErrorString(error));
        }) ? 0 : -1;
    }
    return 0;
}

nvinfer1::IPluginV3* PluginBase::attachToContext(nvinfer1::IPluginResourceContext*) noexcept
{
    return clone();
}

nvinfer1::PluginFieldCollection const* PluginBase::getFieldsToSerialize() noexcept
{
    return &mCollection;
}

void PluginBase::checkRank(char const* tensor, Dims const& dims, std::int32_t rank) const
{
    if (dims.nbDims != rank)
    {
        fail(std::string(tensor) + " has " + std::to_string(dims.nbDims) + " axes, expected "
            + std::to_string(rank));
    }
    for (std::int32_t i = 0; i < rank; ++i)
    {
        std::int64_t const size = dims.d[i];
        if (size == 0 || size > std::numeric_limits<std::int32_t>::max())
        {
            fail("axis " + std::to_string(i) + " of " + tensor + " is " + std::to_string(size));
        }
    }
}

void PluginBase::checkEqual(
    char const* quantity, std::int64_t found, std::int64_t expected) const
{
    if (found != kUNKNOWN_AXIS && expected != kUNKNOWN_AXIS && found != expected)
    {
        fail(std::string(quantity) + " is " + std::to_string(found) + ", expected "
            + std::to_string(expected));
    }
}

void PluginBase::checkAtMost(
    char const* quantity, std::int64_t found, std::int64_t most) const
{
    // An axis that is not known yet is -1.
    if (found > most)
    {
        fail(std::string(quantity) + " is " + std::to_string(found) + ", and the kernel takes "
            + std::to_string(most) + " at most");
    }
}

void PluginBase::checkCountable(
    char const* quantity, std::int64_t rows, std::int64_t columns) const
{
    if (rows != kUNKNOWN_AXIS && columns != kUNKNOWN_AXIS)
    {
        checkAtMost(quantity, rows * columns, std::numeric_limits<std::int32_t>::max());
    }
}

void PluginBase::fail(std::string const& sentence) const
{
    throw ContractError(std::string(mSpec.name) + ": " + sentence);
}

DataType PluginBase::inputType(std::size_t, DataType) const noexcept
{
    return DataType::kINT32;
}

std::size_t PluginBase::workspaceSize(InputDims const&, ElementType) const noexcept
{
    return 0;
}

cudaError_t PluginBase::prepare(InputDims const&, ElementType) const noexcept
{
    return cudaSuccess;
}

void PluginBase::checkCounts(std::int32_t inputs, std::int32_t outputs) const
{
    checkEqual("the number of inputs", inputs, mSpec.inputs);
    checkEqual("the number of outputs", outputs, 1);
}

} // namespace segpp
