//! Files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace segpp
{

//! Write beside `path`, flush to the disk, and move into place; signals that end a program wait
//! until the file is there. Throws InputError: the disk is full, or the folder takes no file.
void writeWhole(std::filesystem::path const& path, std::vector<std::uint8_t> const& bytes);

} // namespace segpp
