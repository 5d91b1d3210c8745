#include "attributes.h"

#include "checks.h"

#include <cstring>
#include <string>
#include <string_view>

namespace segpp
{
namespace
{

using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;

std::string nameOf(PluginField const& field)
{
    return field.name ? field.name : "(unnamed)";
}

//! TensorRT's parser counts the closing NUL of a string, some of its helpers do not.
std::string_view textOf(PluginField const& field)
{
    auto const* const text = static_cast<char const*>(field.data);
    if (text == nullptr || field.length <= 0)
    {
        return {};
    }
    return {text, strnlen(text, static_cast<std::size_t>(field.length))};
}

//! True for the two strings by which TensorRT finds a plugin, once they are the right ones.
bool namesThePlugin(OperatorSpec const& spec, PluginField const& field)
{
    std::string const name = nameOf(field);
    bool const isVersion = name == "plugin_version";
    if (!isVersion && name != "plugin_namespace")
    {
        return false;
    }
    if (field.type != PluginFieldType::kCHAR)
    {
        throw ContractError(std::string(spec.name) + ": " + name + " is no string");
    }
    std::string_view const expected = isVersion ? kVERSION : kNAMESPACE;
    if (std::string_view const text = textOf(field); text != expected)
    {
        throw ContractError(std::string(spec.name) + ": " + name + " is '" + std::string(text)
            + "', and this library has '" + std::string(expected) + "'");
    }
    return true;
}

std::string knownNames(OperatorSpec const& spec)
{
    std::string names;
    for (std::size_t i = 0; i < spec.attributeCount; ++i)
    {
        names += (i ? ", " : "") + std::string(spec.attributes[i].name);
    }
    return names.empty() ? "none" : names;
}

std::size_t ruleOf(OperatorSpec const& spec, PluginField const& field)
{
    std::string const name = nameOf(field);
    for (std::size_t i = 0; i < spec.attributeCount; ++i)
    {
        if (name == spec.attributes[i].name)
        {
            return i;
        }
    }
    throw ContractError(std::string(spec.name) + ": unknown attribute '" + name
        + "', known: " + knownNames(spec));
}

std::int32_t valueOf(OperatorSpec const& spec, AttributeRule const& rule, PluginField const& field)
{
    std::string const subject = std::string(spec.name) + ": " + rule.name;
    if (field.type != PluginFieldType::kINT32)
    {
        throw ContractError(subject + " has the field type "
            + std::to_string(static_cast<std::int32_t>(field.type)) + ", expected INT32 ("
            + std::to_string(static_cast<std::int32_t>(PluginFieldType::kINT32)) + ")");
    }
    if (field.length != 1 || field.data == nullptr)
    {
        throw ContractError(subject + " has " + std::to_string(field.data ? field.length : 0)
            + " values, expected 1");
    }
    std::int32_t value{};
    std::memcpy(&value, field.data, sizeof(value));
    if (value < rule.lowest)
    {
        throw ContractError(subject + " is " + std::to_string(value) + ", and the least is "
            + std::to_string(rule.lowest));
    }
    return value;
}

} // namespace

AttributeValues readAttributes(OperatorSpec const& spec, PluginFieldCollection const* fields)
{
    std::array<std::optional<std::int32_t>, kMAX_ATTRIBUTES> given{};
    std::int32_t const count = fields ? fields->nbFields : 0;
    for (std::int32_t i = 0; i < count; ++i)
    {
        PluginField const& field = fields->fields[i];
        if (namesThePlugin(spec, field))
        {
            continue;
        }
        std::size_t const index = ruleOf(spec, field);
        if (given[index])
        {
            throw ContractError(std::string(spec.name) + ": " + nameOf(field) + " is given twice");
        }
        given[index] = valueOf(spec, spec.attributes[index], field);
    }
    AttributeValues values{};
    for (std::size_t i = 0; i < spec.attributeCount; ++i)
    {
        AttributeRule const& rule = spec.attributes[i];
        if (!given[i] && !rule.fallback)
        {
            throw ContractError(std::string(spec.name) + ": " + rule.name + " is missing");
        }
        values[i] = given[i] ? *given[i] : *rule.fallback;
    }
    return values;
}

} // namespace segpp
