//! Whether a path names a readable file with something in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace segpp
{

//! Throw InputError unless it does; kind: what it is called in the message.
void checkFile(std::filesystem::path const& path, std::string const& kind);

//! Return all bytes of a file; throws InputError if it cannot be read or has more than `most`.
std::vector<std::uint8_t> bytesOf(
    std::filesystem::path const& path, std::string const& kind, std::uintmax_t most);

//! A number with commas between thousands.
std::string grouped(std::uintmax_t number);

} // namespace segpp
