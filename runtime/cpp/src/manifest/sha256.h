//! SHA-256 (FIPS 180-4) of a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace segpp
{

//! 64 hexadecimal digits; throws InputError if the file cannot be read.
std::string sha256Of(std::filesystem::path const& path);

//! The same of bytes in memory.
std::string sha256Of(std::uint8_t const* bytes, std::size_t size);

} // namespace segpp
