//! Whether a JSON value follows the schema of a manifest.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace segpp
{

//! Throw InputError naming the place, as `x.onnx.json.input.shape[2]`, where a key is missing or
//! unknown or a value has another type than the schema says.
//!
//! type: The name of a record of the schema, or a type as schema_keys.h writes them.
void checkSchema(nlohmann::json const& value, std::string const& type, std::string const& where);

//! The value as Python shows it, cut after 80 characters.
std::string shown(nlohmann::json const& value);

} // namespace segpp
