//! In place of tensorrt.cpp in builds without TensorRT.

#include "backends/backend.h"

#include <segpp/error.h>

namespace segpp
{

std::unique_ptr<Backend> openTensorRt(
    std::filesystem::path const& path, Manifest const&, SessionOptions const&)
{
    throw MissingError(path.string() + " is an engine, and this build has no TensorRT", {},
        "build it with -DSEGPP_TENSORRT=ON, or run the ONNX file");
}

} // namespace segpp
