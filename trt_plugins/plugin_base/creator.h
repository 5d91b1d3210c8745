//! The creator of an operator's plugins.
#pragma once

#include "attributes.h"
#include "checks.h"

#include <NvInferRuntime.h>

#include <array>
#include <cstdint>
#include <memory>

namespace segpp
{

//! `Plugin` has a static spec() and a constructor from AttributeValues that throws Misuse.
template <typename Plugin>
class SegppCreator final : public nvinfer1::IPluginCreatorV3One
{
public:
    SegppCreator() noexcept
    {
        OperatorSpec const& spec = Plugin::spec();
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
        succeeds([&] { plugin = std::make_unique<Plugin>(readAttributes(Plugin::spec(), fields)); });
        return plugin.release();
    }

    nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override
    {
        return &mCollection;
    }

    char const* getPluginName() const noexcept override
    {
        return Plugin::spec().name;
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

} // namespace segpp
