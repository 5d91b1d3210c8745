//! How TensorRT learns of the plugins: by the symbols that it looks for in a library it loads, or
//! (SEGPP_REGISTER_ON_LOAD) by registering them as soon as anything loads it.
//!
//! Never both: TensorRT refuses to load a library that has registered itself already.
//!
//! Either way the file says what it was built for, where a reader finds it without loading it: code
//! of another major version of TensorRT would run, and crash, before it could be asked.

#include "creator.h"
#include "logging.h"

#include <NvInferRuntime.h>

#include <array>
#include <cstdint>

namespace
{

// In two steps, because the numbers are macros, in 10.13 and later macros of macros.
#define SEGPP_TEXT_OF(value) #value
#define SEGPP_TEXT(value) SEGPP_TEXT_OF(value)
#define SEGPP_EXPORT __attribute__((visibility("default")))

using Creators = std::array<nvinfer1::IPluginCreatorInterface*, 6>;

Creators const& creators() noexcept
{
    static Creators const all{&segpp::tokenMatchCreator(), &segpp::tokenMergeCreator(),
        &segpp::tokenUnmergeCreator(), &segpp::tokenUnmergeAddCreator(),
        &segpp::resizeArgmaxCreator(), &segpp::decodeHeadCreator()};
    return all;
}

} // namespace

extern "C"
{
    //! Read by runtime/system/plugin_library.py, which has the meaning of each word.
    extern SEGPP_EXPORT char const segppPluginInfo[];
    char const segppPluginInfo[] = "segpp=" SEGPP_VERSION " tensorrt=" SEGPP_TEXT(
        NV_TENSORRT_MAJOR) "." SEGPP_TEXT(NV_TENSORRT_MINOR) " kernels=" SEGPP_KERNELS;
}

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
