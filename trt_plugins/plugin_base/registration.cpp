//! How TensorRT learns of the plugins: by the symbols that it looks for in a library it loads, or
//! (SEGPP_REGISTER_ON_LOAD) by registering them as soon as anything loads it.
//!
//! Never both: TensorRT refuses to load a library that has registered itself already.

#include "creator.h"
#include "logging.h"

#include <NvInferRuntime.h>

#include <array>
#include <cstdint>

namespace
{

using Creators = std::array<nvinfer1::IPluginCreatorInterface*, 4>;

Creators const& creators() noexcept
{
    static Creators const all{&segpp::tokenMatchCreator(), &segpp::tokenMergeCreator(),
        &segpp::tokenUnmergeCreator(), &segpp::resizeArgmaxCreator()};
    return all;
}

} // namespace

#if defined(SEGPP_REGISTER_ON_LOAD)

namespace
{

//! What REGISTER_TENSORRT_PLUGIN does for a type.
struct Registrar
{
    Registrar() noexcept
    {
        for (auto* const creator : creators())
        {
            getPluginRegistry()->registerCreator(*creator, segpp::kNAMESPACE);
        }
    }
};

Registrar const registrar;

} // namespace

#else

#define SEGPP_EXPORT __attribute__((visibility("default")))

extern "C" SEGPP_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder)
{
    segpp::setFinder(finder);
}

extern "C" SEGPP_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(std::int32_t& count)
{
    count = static_cast<std::int32_t>(creators().size());
    return creators().data();
}

#endif
