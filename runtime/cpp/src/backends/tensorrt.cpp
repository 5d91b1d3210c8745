//! Engines on a GPU, by TensorRT 10.3 to 11.

#include "backends/backend.h"
#include "backends/cuda_resources.h"
#include "backends/engine_check.h"
#include "files/check_file.h"
#include "images/preprocess.h"
#include "manifest/sha256.h"

#include <segpp/error.h>

#include <NvInferRuntime.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>

namespace segpp
{
namespace
{

constexpr std::uintmax_t kMOST_BYTES = std::uintmax_t{16} << 30U;

struct Type
{
    nvinfer1::DataType type;
    char const* name;
};

constexpr std::array<Type, 6> kTYPES{{{nvinfer1::DataType::kFLOAT, "float32"},
    {nvinfer1::DataType::kHALF, "float16"}, {nvinfer1::DataType::kUINT8, "uint8"},
    {nvinfer1::DataType::kINT8, "int8"}, {nvinfer1::DataType::kINT32, "int32"},
    {nvinfer1::DataType::kINT64, "int64"}}};

std::string nameOf(nvinfer1::DataType type)
{
    for (Type const& one : kTYPES)
    {
        if (one.type == type)
        {
            return one.name;
        }
    }
    return "type " + std::to_string(static_cast<int>(type));
}

//! Keeps the first error since it was asked last: what follows is mostly its consequence.
class Logger final : public nvinfer1::ILogger
{
public:
    void log(Severity severity, nvinfer1::AsciiChar const* message) noexcept override
    {
        if (severity <= Severity::kERROR && mLength == 0)
        {
            mLength = std::min(std::strlen(message), mText.size());
            std::memcpy(mText.data(), message, mLength);
        }
    }

    std::string take()
    {
        std::string text(mText.data(), mLength);
        mLength = 0;
        return text.empty() ? "TensorRT gives no reason" : text;
    }

private:
    std::array<char, 512> mText{};
    std::size_t mLength{0};
};

//! One for all sessions: the plugin registry keeps the first logger that it is given.
Logger& logger()
{
    static Logger one;
    return one;
}

//! The library that is loaded, as 10.3.0.
std::string versionHere()
{
    std::int32_t const number = getInferLibVersion();
    return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "."
        + std::to_string(number % 100);
}

int attribute(cudaDeviceAttr which, int device)
{
    int value = 0;
    checkCuda(cudaDeviceGetAttribute(&value, which, device), "asking the GPU");
    return value;
}

struct Device
{
    std::string capability;
    //! One memory for CPU and GPU, as on a Jetson.
    bool isIntegrated;
};

Device deviceHere()
{
    int device = 0;
    if (cudaError_t const status = cudaGetDevice(&device); status != cudaSuccess)
    {
        throw MissingError("no GPU answers", {cudaGetErrorString(status)},
            "an engine runs on a GPU like the one it was built on; the ONNX file runs on any CPU");
    }
    return {std::to_string(attribute(cudaDevAttrComputeCapabilityMajor, device)) + "."
            + std::to_string(attribute(cudaDevAttrComputeCapabilityMinor, device)),
        attribute(cudaDevAttrIntegrated, device) != 0};
}

//! The plugin library that the caller names, or the environment; empty if none.
std::filesystem::path pluginsNamed(std::filesystem::path const& wanted)
{
    char const* const named = std::getenv("SEGPP_PLUGINS");
    return wanted.empty() && named ? named : wanted;
}

//! Load the plugin library once per process: TensorRT refuses names that it has.
void loadPlugins(std::filesystem::path const& path)
{
    static std::map<std::string, bool> loaded;
    std::string const place = std::filesystem::canonical(path).string();
    if (loaded[place])
    {
        return;
    }
    if (getPluginRegistry()->loadLibrary(place.c_str()) == nullptr)
    {
        throw InputError("TensorRT " + versionHere() + " cannot load " + path.string(),
            {logger().take()}, "build it with the headers of this TensorRT: trt_plugins/README.md");
    }
    loaded[place] = true;
}

std::vector<std::uint8_t> engineBytes(std::filesystem::path const& path, Manifest const& manifest)
{
    std::vector<std::uint8_t> bytes = bytesOf(path, "engine", kMOST_BYTES);
    // Of the bytes that are loaded: an engine can run code, and the file may have changed.
    if (sha256Of(bytes.data(), bytes.size()) != manifest.file.sha256)
    {
        throw InputError(path.string() + " changed while it was being loaded");
    }
    return bytes;
}

class TensorRt final : public Backend
{
public:
    TensorRt(
        std::filesystem::path const& path, Manifest const& manifest, SessionOptions const& options)
        : mPath(path)
        , mDevice(checkedDevice(path, manifest, pluginsNamed(options.plugins)))
        , mWantsGraph(options.cudaGraph)
    {
        EngineInfo const& about = manifest.engine.value();
        // Only what the engine calls: a library runs code as soon as it is loaded.
        if (about.plugins && !about.plugins->isEmbedded)
        {
            loadPlugins(pluginsNamed(options.plugins));
        }
        std::vector<std::uint8_t> const bytes = engineBytes(path, manifest);
        mRuntime.reset(nvinfer1::createInferRuntime(logger()));
        if (mRuntime)
        {
            mRuntime->setEngineHostCodeAllowed(about.carriesHostCode());
        }
        mEngine.reset(mRuntime ? mRuntime->deserializeCudaEngine(bytes.data(), bytes.size())
                               : nullptr);
        mContext.reset(mEngine ? mEngine->createExecutionContext() : nullptr);
        if (!mContext)
        {
            throw InputError("TensorRT " + versionHere() + " cannot load " + path.string(),
                {logger().take()});
        }
    }

    std::string description() const override
    {
        return "TensorRT " + versionHere() + " (GPU of compute capability " + mDevice.capability
            + ")";
    }

    std::vector<TensorInfo> inputs() const override
    {
        return tensors(nvinfer1::TensorIOMode::kINPUT);
    }

    std::vector<TensorInfo> outputs() const override
    {
        return tensors(nvinfer1::TensorIOMode::kOUTPUT);
    }

    void bind(InputSpec const& input, OutputSpec const& output) override
    {
        mInputName = input.name;
        mOutputName = output.name;
        add({input.name, input.shape, input.dtype});
        for (TensorInfo const& one : outputs())
        {
            add(one.name == output.name ? TensorInfo{one.name, output.shape, one.dtype} : one);
        }
        run();
        if (mWantsGraph)
        {
            captureGraph();
        }
    }

    void* input() override
    {
        return mTensors.at(mInputName).host();
    }

    void const* output() const override
    {
        return mTensors.at(mOutputName).host();
    }

    void run() override
    {
        if (mGraph.isReady())
        {
            mGraph.launch(mStream.get());
        }
        else
        {
            enqueue();
        }
        checkCuda(cudaStreamSynchronize(mStream.get()), "running the engine");
    }

    std::vector<std::string> notes() const override
    {
        return mNotes;
    }

private:
    static Device checkedDevice(std::filesystem::path const& path, Manifest const& manifest,
        std::filesystem::path const& plugins)
    {
        checkEngineLibrary(path, manifest, versionHere());
        checkEnginePlugins(path, manifest, plugins);
        Device device = deviceHere();
        checkEngineDevice(path, manifest, device.capability);
        return device;
    }

    std::vector<TensorInfo> tensors(nvinfer1::TensorIOMode mode) const
    {
        std::vector<TensorInfo> all;
        for (std::int32_t i = 0; i < mEngine->getNbIOTensors(); ++i)
        {
            char const* const name = mEngine->getIOTensorName(i);
            if (mEngine->getTensorIOMode(name) == mode)
            {
                nvinfer1::Dims const dims = mEngine->getTensorShape(name);
                all.push_back({name, {dims.d, dims.d + dims.nbDims},
                    nameOf(mEngine->getTensorDataType(name))});
            }
        }
        return all;
    }

    void add(TensorInfo const& info)
    {
        std::size_t const bytes = bytesOfTensor(info.shape, info.dtype);
        auto const place = mTensors.try_emplace(info.name, bytes, mDevice.isIntegrated).first;
        if (!mContext->setTensorAddress(info.name.c_str(), place->second.device()))
        {
            throw InputError(mPath.string() + " takes no memory for " + info.name,
                {logger().take()});
        }
    }

    void enqueue()
    {
        mTensors.at(mInputName).copyToDevice(mStream.get());
        if (!mContext->enqueueV3(mStream.get()))
        {
            throw InputError(description() + " failed to run", {logger().take()});
        }
        mTensors.at(mOutputName).copyToHost(mStream.get());
    }

    void captureGraph()
    {
        try
        {
            mGraph.capture(mStream.get(), [this] { enqueue(); });
        }
        catch (InputError const& failure)
        {
            std::string reason = failure.what();
            std::replace(reason.begin(), reason.end(), '\n', ' ');
            mNotes.push_back("the engine runs without a CUDA graph: " + reason);
            logger().take();
        }
    }

    std::filesystem::path mPath;
    Device mDevice;
    bool mWantsGraph;
    // TensorRT wants them destroyed in the opposite order.
    std::unique_ptr<nvinfer1::IRuntime> mRuntime;
    std::unique_ptr<nvinfer1::ICudaEngine> mEngine;
    std::unique_ptr<nvinfer1::IExecutionContext> mContext;
    CudaStream mStream;
    std::map<std::string, CudaTensor> mTensors;
    CudaGraph mGraph;
    std::string mInputName;
    std::string mOutputName;
    std::vector<std::string> mNotes;
};

} // namespace

std::unique_ptr<Backend> openTensorRt(
    std::filesystem::path const& path, Manifest const& manifest, SessionOptions const& options)
{
    return std::make_unique<TensorRt>(path, manifest, options);
}

} // namespace segpp
