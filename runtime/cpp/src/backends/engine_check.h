//! Whether an engine was built for what is here, found before TensorRT reads a byte of it.
#pragma once

#include <segpp/manifest.h>

#include <filesystem>
#include <string>

namespace segpp
{

//! Throw InputError naming both sides if an engine is of another library or version.
//!
//! version: Of the library that is loaded, as 10.3.0.
void checkEngineLibrary(
    std::filesystem::path const& path, Manifest const& manifest, std::string const& version);

//! Throw unless `library` is the plugin library that an engine was built with, if it calls one:
//! MissingError if none is named, InputError if it is another.
void checkEnginePlugins(std::filesystem::path const& path, Manifest const& manifest,
    std::filesystem::path const& library);

//! Throw InputError if an engine is not for a GPU of that compute capability, as 8.7.
void checkEngineDevice(
    std::filesystem::path const& path, Manifest const& manifest, std::string const& capability);

} // namespace segpp
