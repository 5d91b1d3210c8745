//! ONNX files on the CPU, by ONNX Runtime.
#define ORT_API_MANUAL_INIT

#include "backends/backend.h"
#include "backends/external_weights.h"
#include "images/preprocess.h"

#include <segpp/error.h>

#include <onnxruntime_cxx_api.h>

#include <array>
#include <string>
#include <utility>

namespace segpp
{
namespace
{

struct Type
{
    ONNXTensorElementDataType type;
    char const* name;
};

constexpr std::array<Type, 10> kTYPES{{{ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, "float32"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, "float16"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, "uint8"}, {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, "int8"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, "int16"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, "uint16"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, "int32"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, "uint32"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, "int64"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, "float64"}}};

std::string nameOf(ONNXTensorElementDataType type)
{
    for (Type const& one : kTYPES)
    {
        if (one.type == type)
        {
            return one.name;
        }
    }
    return "type " + std::to_string(type);
}

ONNXTensorElementDataType typeOf(std::string const& name)
{
    for (Type const& one : kTYPES)
    {
        if (name == one.name)
        {
            return one.type;
        }
    }
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

//! The library answers for the headers that this was compiled with, or is too old for them.
void initialise()
{
    OrtApi const* const api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (api == nullptr)
    {
        throw MissingError(std::string("onnxruntime ") + OrtGetApiBase()->GetVersionString()
                + " is older than the headers of this build",
            {"needed: 1." + std::to_string(ORT_API_VERSION)}, "build against its own headers");
    }
    Ort::InitApi(api);
}

Ort::SessionOptions optionsOf(SessionOptions const& wanted)
{
    Ort::SessionOptions options;
    // Errors reach us as exceptions, and the log would repeat them.
    options.SetLogSeverityLevel(ORT_LOGGING_LEVEL_FATAL);
    options.SetInterOpNumThreads(1);
    if (wanted.threads > 0)
    {
        options.SetIntraOpNumThreads(wanted.threads);
    }
    if (!wanted.spinning)
    {
        options.AddConfigEntry("session.intra_op.allow_spinning", "0");
    }
    return options;
}

std::string firstLine(Ort::Exception const& failure)
{
    std::string const text = failure.what();
    return text.substr(0, text.find('\n'));
}

TensorInfo infoOf(std::string name, Ort::TypeInfo const& type)
{
    if (type.GetONNXType() != ONNX_TYPE_TENSOR)
    {
        return {std::move(name), {}, "no tensor"};
    }
    auto const tensor = type.GetTensorTypeAndShapeInfo();
    return {std::move(name), tensor.GetShape(), nameOf(tensor.GetElementType())};
}

class OnnxRuntime final : public Backend
{
public:
    OnnxRuntime(std::filesystem::path const& path, SessionOptions const& options)
    try
        : mEnvironment(ORT_LOGGING_LEVEL_FATAL, "segpp")
        , mSession(mEnvironment, path.c_str(), optionsOf(options))
    {
        mEnvironment.DisableTelemetryEvents();
    }
    catch (Ort::Exception const& failure)
    {
        throw InputError(
            "onnxruntime " + Ort::GetVersionString() + " cannot load " + path.string(),
            {firstLine(failure)});
    }

    std::string description() const override
    {
        return "onnxruntime " + Ort::GetVersionString() + " (cpu)";
    }

    std::vector<TensorInfo> inputs() const override
    {
        std::vector<TensorInfo> all;
        Ort::AllocatorWithDefaultOptions allocator;
        for (std::size_t i = 0; i < mSession.GetInputCount(); ++i)
        {
            all.push_back(infoOf(
                mSession.GetInputNameAllocated(i, allocator).get(), mSession.GetInputTypeInfo(i)));
        }
        return all;
    }

    std::vector<TensorInfo> outputs() const override
    {
        std::vector<TensorInfo> all;
        Ort::AllocatorWithDefaultOptions allocator;
        for (std::size_t i = 0; i < mSession.GetOutputCount(); ++i)
        {
            all.push_back(infoOf(mSession.GetOutputNameAllocated(i, allocator).get(),
                mSession.GetOutputTypeInfo(i)));
        }
        return all;
    }

    void bind(InputSpec const& input, OutputSpec const& output) override
    {
        mInputName = input.name;
        mOutputName = output.name;
        mInput = tensorOf(input.shape, input.dtype);
        mOutput = tensorOf(output.shape, output.dtype);
    }

    void* input() override
    {
        return mInput.GetTensorMutableRawData();
    }

    void const* output() const override
    {
        return mOutput.GetTensorRawData();
    }

    void run() override
    try
    {
        std::array<char const*, 1> const in{mInputName.c_str()};
        std::array<char const*, 1> const out{mOutputName.c_str()};
        mSession.Run(Ort::RunOptions{nullptr}, in.data(), &mInput, 1, out.data(), &mOutput, 1);
    }
    catch (Ort::Exception const& failure)
    {
        throw InputError(description() + " failed to run", {firstLine(failure)});
    }

private:
    static Ort::Value tensorOf(std::vector<std::int64_t> const& shape, std::string const& dtype)
    {
        // Says so, if the runtime does not know the type.
        bytesOfTensor(shape, dtype);
        Ort::AllocatorWithDefaultOptions allocator;
        return Ort::Value::CreateTensor(allocator, shape.data(), shape.size(), typeOf(dtype));
    }

    Ort::Env mEnvironment;
    // Run is not const in the library's interface, the questions before it are.
    Ort::Session mSession;
    std::string mInputName;
    std::string mOutputName;
    Ort::Value mInput{nullptr};
    Ort::Value mOutput{nullptr};
};

} // namespace

std::unique_ptr<Backend> openOnnxRuntime(
    std::filesystem::path const& path, SessionOptions const& options)
{
    initialise();
    checkWeightsInside(path);
    return std::make_unique<OnnxRuntime>(path, options);
}

} // namespace segpp
