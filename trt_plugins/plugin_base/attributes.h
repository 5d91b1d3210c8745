//! The attributes of a node. All that carry meaning are INT32; strings only name the plugin.
#pragma once

#include <NvInferRuntime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace segpp
{

inline constexpr std::size_t kMAX_ATTRIBUTES = 6;

struct AttributeRule
{
    char const* name{nullptr};
    std::int32_t lowest{0};
    //! Of a node that lacks the attribute; without one the node is refused.
    std::optional<std::int32_t> fallback{};
};

//! What one operator looks like from outside, as src/segpp/ops/__init__.py has it.
struct OperatorSpec
{
    char const* name;
    std::int32_t inputs;
    std::size_t attributeCount;
    std::array<AttributeRule, kMAX_ATTRIBUTES> attributes;
};

//! In the order of the operator's rules.
using AttributeValues = std::array<std::int32_t, kMAX_ATTRIBUTES>;

inline constexpr char kVERSION[] = "1";
//! REGISTER_TENSORRT_PLUGIN knows no other namespace, so the nodes name the empty one.
inline constexpr char kNAMESPACE[] = "";

//! Reads and checks each attribute by itself; throws ContractError.
AttributeValues readAttributes(
    OperatorSpec const& spec, nvinfer1::PluginFieldCollection const* fields);

} // namespace segpp
