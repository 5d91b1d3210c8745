//! Plays TensorRT towards one plugin: creator, shapes and types, serialization, context, enqueue.
//!
//! Called through ctypes with host memory, for the library whose kernels run on the CPU.

#include <NvInferRuntime.h>

#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

using namespace nvinfer1;

constexpr std::size_t kGUARD = 4096;
constexpr std::uint8_t kPOISON = 0xCD;

//! The same struct is in driver.py.
struct Tensor
{
    void* data;
    std::int32_t type;
    std::int32_t axes;
    std::int64_t dims[Dims::MAX_DIMS];
    std::int64_t bytes;
};

void require(bool condition, std::string const& what)
{
    if (!condition)
    {
        throw std::runtime_error(what);
    }
}

class Logger final : public ILogger
{
public:
    void log(Severity, char const* text) noexcept override
    {
        said = text;
    }
    std::string said;
};

class Finder final : public ILoggerFinder
{
public:
    ILogger* findLogger() override
    {
        return &logger;
    }
    Logger logger;
};

//! Memory with a band on either side that nobody may write to.
class Guarded
{
public:
    explicit Guarded(std::size_t bytes)
        : mBytes{bytes}
        , mMemory(bytes + 2 * kGUARD, kPOISON)
    {
    }
    void* data()
    {
        return mMemory.data() + kGUARD;
    }
    void requireIntact(std::string const& name) const
    {
        auto const isPoison = [](std::uint8_t byte) { return byte == kPOISON; };
        auto const end = mMemory.begin() + static_cast<std::ptrdiff_t>(kGUARD + mBytes);
        require(std::all_of(mMemory.begin(), mMemory.begin() + kGUARD, isPoison)
                && std::all_of(end, mMemory.end(), isPoison),
            "enqueue wrote outside the " + name);
    }

private:
    std::size_t mBytes;
    std::vector<std::uint8_t> mMemory;
};

PluginTensorDesc describe(Tensor const& tensor)
{
    PluginTensorDesc desc{};
    desc.type = static_cast<DataType>(tensor.type);
    desc.format = TensorFormat::kLINEAR;
    desc.dims.nbDims = tensor.axes;
    std::copy_n(tensor.dims, tensor.axes, desc.dims.d);
    return desc;
}

DynamicPluginTensorDesc asStatic(PluginTensorDesc const& desc)
{
    return {desc, desc.dims, desc.dims, desc.dims};
}

std::unique_ptr<IPluginV3> create(IPluginCreatorV3One& creator,
    PluginFieldCollection const& fields, TensorRTPhase phase, Finder const& finder)
{
    std::unique_ptr<IPluginV3> plugin{creator.createPlugin("node", &fields, phase)};
    require(plugin != nullptr, finder.logger.said);
    return plugin;
}

template <typename Capability>
Capability& capability(IPluginV3& plugin, PluginCapabilityType type)
{
    auto* const found = static_cast<Capability*>(plugin.getCapabilityInterface(type));
    require(found != nullptr, "a capability is missing");
    return *found;
}

IPluginCreatorV3One& creatorOf(void* library, std::string const& name, Finder& finder)
{
    using GetCreators = IPluginCreatorInterface* const* (*)(std::int32_t&);
    using SetLoggerFinder = void (*)(ILoggerFinder*);
    auto const getCreators = reinterpret_cast<GetCreators>(dlsym(library, "getCreators"));
    auto const setFinder = reinterpret_cast<SetLoggerFinder>(dlsym(library, "setLoggerFinder"));
    require(getCreators != nullptr && setFinder != nullptr, "the library exports no creators");
    setFinder(&finder);
    std::int32_t count{};
    IPluginCreatorInterface* const* const creators = getCreators(count);
    for (std::int32_t i = 0; i < count; ++i)
    {
        auto* const creator = static_cast<IPluginCreatorV3One*>(creators[i]);
        if (name == creator->getPluginName())
        {
            return *creator;
        }
    }
    throw std::runtime_error("no creator is called " + name);
}

//! Everything while building; returns the bytes of scratch memory.
std::size_t configure(IPluginV3OneBuild& build, std::vector<PluginTensorDesc> const& descs)
{
    std::vector<DynamicPluginTensorDesc> tensors;
    std::transform(descs.begin(), descs.end(), std::back_inserter(tensors), asStatic);
    auto const inputs = static_cast<std::int32_t>(tensors.size()) - 1;
    require(build.getNbOutputs() == 1, "it has not one output");
    require(build.getTimingCacheID() != nullptr, "it has no timing cache id");
    std::vector<DataType> types;
    std::transform(descs.begin(), descs.end() - 1, std::back_inserter(types),
        [](PluginTensorDesc const& desc) { return desc.type; });
    DataType output{};
    require(build.getOutputDataTypes(&output, 1, types.data(), inputs) == 0, "no output type");
    require(output == descs.back().type, "the output has another type");
    for (std::int32_t i = 0; i <= inputs; ++i)
    {
        auto const supported = [&](DataType type, TensorFormat format) {
            std::vector<DynamicPluginTensorDesc> changed{tensors};
            changed[i].desc.type = type;
            changed[i].desc.format = format;
            return build.supportsFormatCombination(i, changed.data(), inputs, 1);
        };
        require(supported(descs[i].type, TensorFormat::kLINEAR), "its own types are refused");
        require(!supported(descs[i].type, TensorFormat::kCHW32), "a blocked format is taken");
        require(!supported(DataType::kINT64, TensorFormat::kLINEAR), "INT64 is taken");
        require(!supported(DataType::kBOOL, TensorFormat::kLINEAR), "BOOL is taken");
    }
    require(build.configurePlugin(tensors.data(), inputs, &tensors.back(), 1) == 0,
        "configurePlugin failed");
    return build.getWorkspaceSize(tensors.data(), inputs, &tensors.back(), 1);
}

//! A copy that has nothing from the original but its meaning; TensorRT makes them all the time.
std::unique_ptr<IPluginV3> copied(std::unique_ptr<IPluginV3> plugin)
{
    std::unique_ptr<IPluginV3> copy{plugin->clone()};
    require(copy != nullptr, "it cannot be cloned");
    auto const fieldsOf = [](IPluginV3& one) {
        return capability<IPluginV3OneRuntime>(one, PluginCapabilityType::kRUNTIME)
            .getFieldsToSerialize();
    };
    PluginFieldCollection const& old = *fieldsOf(*plugin);
    PluginFieldCollection const& fresh = *fieldsOf(*copy);
    require(old.nbFields == fresh.nbFields, "the clone has other fields");
    for (std::int32_t i = 0; i < old.nbFields; ++i)
    {
        require(old.fields[i].data != fresh.fields[i].data, "the clone shares its fields");
    }
    return copy;
}

//! The plugin that an engine would make of the fields it holds; the one that gave them is gone.
std::unique_ptr<IPluginV3> throughAnEngine(IPluginCreatorV3One& creator,
    std::unique_ptr<IPluginV3> plugin, Finder const& finder, std::string& written)
{
    auto& runtime = capability<IPluginV3OneRuntime>(*plugin, PluginCapabilityType::kRUNTIME);
    PluginFieldCollection const& fields = *runtime.getFieldsToSerialize();
    std::vector<std::string> names;
    std::vector<std::vector<std::uint8_t>> values;
    for (std::int32_t i = 0; i < fields.nbFields; ++i)
    {
        PluginField const& field = fields.fields[i];
        auto const* const start = static_cast<std::uint8_t const*>(field.data);
        require(field.type == PluginFieldType::kINT32 && field.length == 1, "no INT32 field");
        std::int32_t value{};
        std::memcpy(&value, start, sizeof(value));
        written += std::string(field.name) + "=" + std::to_string(value) + ";";
        names.emplace_back(field.name);
        values.emplace_back(start, start + sizeof(std::int32_t) * field.length);
    }
    std::vector<PluginField> copies;
    for (std::size_t i = 0; i < names.size(); ++i)
    {
        copies.emplace_back(names[i].c_str(), values[i].data(), fields.fields[i].type,
            fields.fields[i].length);
    }
    plugin.reset();
    PluginFieldCollection const kept{static_cast<std::int32_t>(copies.size()), copies.data()};
    std::unique_ptr<IPluginV3> const loaded
        = create(creator, kept, TensorRTPhase::kRUNTIME, finder);
    auto& ready = capability<IPluginV3OneRuntime>(*loaded, PluginCapabilityType::kRUNTIME);
    return std::unique_ptr<IPluginV3>{ready.attachToContext(nullptr)};
}

void enqueueTwice(IPluginV3OneRuntime& runtime, std::vector<PluginTensorDesc> const& descs,
    std::vector<void const*> const& inputs, Tensor const& output, std::size_t workspaceBytes)
{
    auto const bytes = static_cast<std::size_t>(output.bytes);
    for (int run = 0; run < 2; ++run)
    {
        Guarded workspace{workspaceBytes};
        Guarded result{bytes};
        void* const outputs[]{result.data()};
        require(runtime.enqueue(descs.data(), &descs.back(), inputs.data(), outputs,
                    workspace.data(), nullptr) == 0,
            "enqueue failed");
        workspace.requireIntact("workspace");
        result.requireIntact("output");
        require(run == 0 || std::memcmp(output.data, result.data(), bytes) == 0,
            "two runs differ");
        std::memcpy(output.data, result.data(), bytes);
    }
}

//! Returns the fields that an engine would hold.
std::string drive(void* library, char const* name, std::int32_t fieldCount,
    char const* const* fieldNames, std::int32_t const* fieldValues, std::int32_t tensorCount,
    Tensor const* tensors)
{
    static Finder finder;
    IPluginCreatorV3One& creator = creatorOf(library, name, finder);
    std::vector<PluginField> fields;
    for (std::int32_t i = 0; i < fieldCount; ++i)
    {
        fields.emplace_back(fieldNames[i], &fieldValues[i], PluginFieldType::kINT32, 1);
    }
    // A parser counts the closing NUL of a string; others do not.
    fields.emplace_back("plugin_version", "1", PluginFieldType::kCHAR, 2);
    fields.emplace_back("plugin_namespace", "", PluginFieldType::kCHAR, 0);
    PluginFieldCollection const collection{
        static_cast<std::int32_t>(fields.size()), fields.data()};
    std::unique_ptr<IPluginV3> plugin = create(creator, collection, TensorRTPhase::kBUILD, finder);

    std::vector<PluginTensorDesc> descs;
    std::transform(tensors, tensors + tensorCount, std::back_inserter(descs), describe);
    std::vector<void const*> inputs;
    std::transform(tensors, tensors + tensorCount - 1, std::back_inserter(inputs),
        [](Tensor const& tensor) { return tensor.data; });
    std::size_t const workspaceBytes = configure(
        capability<IPluginV3OneBuild>(*plugin, PluginCapabilityType::kBUILD), descs);
    std::string written;
    plugin = throughAnEngine(creator, copied(std::move(plugin)), finder, written);

    auto& runtime = capability<IPluginV3OneRuntime>(*plugin, PluginCapabilityType::kRUNTIME);
    require(runtime.onShapeChange(descs.data(), tensorCount - 1, &descs.back(), 1) == 0,
        finder.logger.said);
    enqueueTwice(runtime, descs, inputs, tensors[tensorCount - 1], workspaceBytes);
    return written;
}

} // namespace

//! The last tensor is the output. Returns 0 with the fields in `message`, or 1 with what went wrong.
extern "C" int segppDrive(void* library, char const* name, std::int32_t fieldCount,
    char const* const* fieldNames, std::int32_t const* fieldValues, std::int32_t tensorCount,
    Tensor const* tensors, char* message, std::size_t messageBytes)
{
    std::string said;
    bool done = false;
    try
    {
        said = drive(library, name, fieldCount, fieldNames, fieldValues, tensorCount, tensors);
        done = true;
    }
    catch (std::exception const& failure)
    {
        said = failure.what();
    }
    std::strncpy(message, said.c_str(), messageBytes - 1);
    return done ? 0 : 1;
}
