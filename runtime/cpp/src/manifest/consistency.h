//! Whether the parts of a manifest agree with each other.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace segpp
{

//! Throw InputError if one part contradicts another, or no tensor could have its shape.
//!
//! value: Has passed `checkSchema`.
void checkConsistency(nlohmann::json const& value, std::string const& where);

} // namespace segpp
