//! Whether an ONNX file holds its weights itself, found before a library opens it.
#pragma once

#include <filesystem>

namespace segpp
{

//! Throw InputError unless the file is whole, holds a graph, and takes weights from no other file:
//! ONNX Runtime up to 1.23 opens any path that a model names. Files of segpp-export hold theirs.
void checkWeightsInside(std::filesystem::path const& path);

} // namespace segpp
