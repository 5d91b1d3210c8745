#include "manifest/schema_check.h"

#include "manifest/schema_keys.h"

#include <segpp/error.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

namespace segpp
{
namespace
{

using nlohmann::json;

constexpr std::size_t kMOST_SHOWN = 80;

//! Quoted as Python quotes a string.
std::string inQuotes(std::string const& text)
{
    char const mark
        = text.find('\'') != std::string::npos && text.find('"') == std::string::npos ? '"' : '\'';
    std::string result(1, mark);
    for (char const letter : text)
    {
        if (static_cast<unsigned char>(letter) < ' ' || letter == '\x7f')
        {
            // Nothing from outside may steer a terminal.
            result += letter == '\n' ? "\\n" : letter == '\t' ? "\\t" : "?";
            continue;
        }
        result += letter == mark || letter == '\\' ? std::string("\\") + letter
                                                   : std::string(1, letter);
    }
    return result + mark;
}

std::string cut(std::string const& text)
{
    std::size_t end = std::min(text.size(), kMOST_SHOWN);
    // Not in the middle of a character.
    while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    {
        --end;
    }
    return text.substr(0, end);
}

std::string represented(json const& value, std::size_t room)
{
    if (value.is_string())
    {
        return inQuotes(value.get<std::string>());
    }
    if (value.is_null())
    {
        return "None";
    }
    if (value.is_boolean())
    {
        return value.get<bool>() ? "True" : "False";
    }
    if (!value.is_structured())
    {
        return value.dump();
    }
    std::string text;
    for (auto const& [key, item] : value.items())
    {
        if (text.size() > room)
        {
            break;
        }
        text += text.empty() ? "" : ", ";
        text += (value.is_object() ? inQuotes(key) + ": " : "")
            + represented(item, room - std::min(room, text.size()));
    }
    return value.is_object() ? "{" + text + "}" : "[" + text + "]";
}

[[noreturn]] void refuse(json const& value, std::string const& where, std::string const& expected)
{
    throw InputError(where + " is " + shown(value), {"expected: " + expected});
}

std::vector<std::string> split(std::string_view text, char between)
{
    std::vector<std::string> parts(1);
    for (char const letter : text)
    {
        if (letter == between)
        {
            parts.emplace_back();
        }
        else
        {
            parts.back() += letter;
        }
    }
    return parts;
}

bool isInteger(json const& value)
{
    constexpr auto kMOST = std::numeric_limits<std::int64_t>::max();
    return value.is_number_integer()
        && !(value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{kMOST});
}

bool isPrimitive(json const& value, std::string const& type)
{
    return (type == "str" && value.is_string()) || (type == "bool" && value.is_boolean())
        || (type == "int" && isInteger(value)) || (type == "float" && value.is_number_float());
}

void checkFloat(json const& value, std::string const& where)
{
    if (!value.is_number())
    {
        refuse(value, where, "float");
    }
    if (!std::isfinite(value.get<double>()))
    {
        refuse(value, where, "a finite number");
    }
}

std::string listed(std::vector<std::string> const& names, char const* between)
{
    std::string text;
    for (std::string const& name : names)
    {
        text += (text.empty() ? "" : between) + name;
    }
    return text;
}

//! One of several: of quoted words, or of types without parts.
void checkAlternatives(json const& value, std::string const& type, std::string const& where)
{
    std::vector<std::string> const names = split(type, '|');
    bool const areWords = type[0] == '\'';
    bool const fits = std::any_of(names.begin(), names.end(), [&](std::string const& name) {
        return areWords ? value.is_string() && "'" + value.get<std::string>() + "'" == name
                        : isPrimitive(value, name);
    });
    if (!fits)
    {
        refuse(value, where,
            areWords ? "one of (" + listed(names, ", ") + ")" : listed(names, " or "));
    }
}

void checkList(json const& value, std::string const& type, std::string const& where)
{
    if (!value.is_array())
    {
        refuse(value, where, "a list");
    }
    std::string const inner = type.substr(1, type.size() - 2);
    bool const isFixed = type[0] == '(';
    std::vector<std::string> const types = isFixed ? split(inner, ',') : std::vector{inner};
    if (isFixed && value.size() != types.size())
    {
        refuse(value, where, "a list of " + std::to_string(types.size()));
    }
    for (std::size_t i = 0; i < value.size(); ++i)
    {
        checkSchema(value[i], types[isFixed ? i : 0], where + "[" + std::to_string(i) + "]");
    }
}

void checkMap(json const& value, std::string const& type, std::string const& where)
{
    if (!value.is_object())
    {
        refuse(value, where, "an object");
    }
    for (auto const& [key, item] : value.items())
    {
        checkSchema(item, type.substr(1, type.size() - 2), where + "[" + cut(inQuotes(key)) + "]");
    }
}

Key const* findKey(std::string_view record, std::string_view name)
{
    auto const* const found = std::find_if(std::begin(kKEYS), std::end(kKEYS),
        [&](Key const& key) { return key.record == record && key.name == name; });
    return found == std::end(kKEYS) ? nullptr : found;
}

void checkRecord(json const& value, std::string const& type, std::string const& where)
{
    if (!value.is_object())
    {
        refuse(value, where, "an object");
    }
    for (auto const& [name, item] : value.items())
    {
        if (findKey(type, name) == nullptr)
        {
            throw InputError(where + " has the unknown key " + cut(inQuotes(name)));
        }
    }
    std::vector<std::string> absent;
    for (Key const& key : kKEYS)
    {
        if (key.record == type && key.isRequired && !value.contains(std::string(key.name)))
        {
            absent.emplace_back(key.name);
        }
    }
    if (!absent.empty())
    {
        throw InputError(
            where + " lacks the key " + inQuotes(*std::min_element(absent.begin(), absent.end())));
    }
    for (auto const& [name, item] : value.items())
    {
        checkSchema(item, std::string(findKey(type, name)->type), where + "." + name);
    }
}

} // namespace

std::string shown(json const& value)
{
    return cut(represented(value, kMOST_SHOWN));
}

void checkSchema(json const& value, std::string const& type, std::string const& where)
{
    if (type.back() == '?')
    {
        if (!value.is_null())
        {
            checkSchema(value, type.substr(0, type.size() - 1), where);
        }
    }
    else if (type[0] == '[' || type[0] == '(')
    {
        checkList(value, type, where);
    }
    else if (type[0] == '{')
    {
        checkMap(value, type, where);
    }
    else if (type[0] == '\'' || type.find('|') != std::string::npos)
    {
        checkAlternatives(value, type, where);
    }
    else if (type == "float")
    {
        checkFloat(value, where);
    }
    else if (type == "str" || type == "int" || type == "bool")
    {
        if (!isPrimitive(value, type))
        {
            refuse(value, where, type);
        }
    }
    else
    {
        checkRecord(value, type, where);
    }
}

} // namespace segpp
