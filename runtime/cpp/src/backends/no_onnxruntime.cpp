//! In place of onnxruntime.cpp in builds without ONNX Runtime.

#include "backends/backend.h"

#include <segpp/error.h>

namespace segpp
{

std::unique_ptr<Backend> openOnnxRuntime(std::filesystem::path const& path, SessionOptions const&)
{
    throw MissingError(path.string() + " is an ONNX file, and this build has no ONNX Runtime", {},
        "build it with -DSEGPP_ONNXRUNTIME_ROOT=/path/to/onnxruntime");
}

} // namespace segpp
