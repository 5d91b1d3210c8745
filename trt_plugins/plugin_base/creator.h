//! The creator of an operator's plugins, and where registration.cpp gets each of them.
#pragma once

#include "attributes.h"
#include "checks.h"

#include <NvInferRuntime.h>

#include <array>
#include <cstdint>
#include <memory>

namespace segpp
{

//! `Plugin` has a static kSPEC and a constructor from AttributeValues that throws ContractError.
template <typename Plugin>
class Creator final : public nvinfer1::IPluginCreatorV3One
{
public:
    Creator() noexcept
    {
        OperatorSpec const& spec = Plugin::kSPEC;
        for (std::size_t i = 0; i < spec.attributeCount; ++i)
        {
            mFields[i] = {spec.attributes[i].name, nullptr, nvinfer1::PluginFieldType::kINT32, 1};
        }
        mCollection = {static_cast<std::int32_t>(spec.attributeCount), mFields.data()};
    }

    //! For building and from an engine alike: an engine holds the same fields.
    nvinfer1::IPluginV3* createPlugin(char const*, nvinfer1::PluginFieldCollection const* fields,
        nvinfer1::TensorRTPhase) noexcept override
    {
        std::unique_ptr<Plugin> plugin;
        succeeds([&] { plugin = std::make_unique<Plugin>(readAttributes(Plugin::kSPEC, fields)); });
        return plugin.release();
    }

    nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override
    {
        return &mCollection;
    }

    char const* getPluginName() const noexcept override
    {
        return Plugin::kSPEC.name;
    }

    char const* getPluginVersion() const noexcept override
    {
        return kVERSION;
    }

    char const* getPluginNamespace() const noexcept override
    {
        return kNAMESPACE;
    }

private:
    std::array<nvinfer1::PluginField, kMAX_ATTRIBUTES> mFields{};
    nvinfer1::PluginFieldCollection mCollection{};
};

template <typename Plugin>
nvinfer1::IPluginCreatorInterface& creatorOf() noexcept
{
    static Creator<Plugin> creator;
    return creator;
}

// Each in its operator's *_plugin.cpp, which nobody else needs to see.
nvinfer1::IPluginCreatorInterface& tokenMatchCreator() noexcept;
nvinfer1::IPluginCreatorInterface& tokenMergeCreator() noexcept;
nvinfer1::IPluginCreatorInterface& tokenUnmergeCreator() noexcept;
nvinfer1::IPluginCreatorInterface& tokenUnmergeAddCreator() noexcept;
nvinfer1::IPluginCreatorInterface& resizeArgmaxCreator() noexcept;
nvinfer1::IPluginCreatorInterface& decodeHeadCreator() noexcept;

} // namespace segpp
