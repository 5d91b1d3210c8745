//! Where the plugins say what went wrong: TensorRT's logger if it gave us one, else stderr.
#pragma once

#include <NvInferRuntime.h>

namespace segpp
{

//! Keeps the finder that TensorRT hands to a library it loads; it owns it.
void setFinder(nvinfer1::ILoggerFinder* finder) noexcept;

//! Reports one sentence as an error. Never throws: it is called where an exception has ended.
void logError(char const* sentence) noexcept;

} // namespace segpp
