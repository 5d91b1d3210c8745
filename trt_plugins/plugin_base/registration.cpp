//! How TensorRT learns of the plugins: by the symbols that it looks for in a library it loads, or
//! (SEGPP_REGISTER_ON_LOAD) by the macro that registers them as soon as anything loads it.
//!
//! Never both: TensorRT refuses to load a library that has registered itself already.

#include "creator.h"
#include "logging.h"
#include "resize_argmax/resize_argmax_plugin.h"
#include "token_match/token_match_plugin.h"
#include "token_merge/token_merge_plugin.h"
#include "token_unmerge/token_unmerge_plugin.h"

#include <NvInferRuntime.h>

#include <array>
#include <cstdint>

namespace
{

using TokenMatchCreator = segpp::SegppCreator<segpp::TokenMatchPlugin>;
using TokenMergeCreator = segpp::SegppCreator<segpp::TokenMergePlugin>;
using TokenUnmergeCreator = segpp::SegppCreator<segpp::TokenUnmergePlugin>;
using ResizeArgmaxCreator = segpp::SegppCreator<segpp::ResizeArgmaxPlugin>;

} // namespace

#if defined(SEGPP_REGISTER_ON_LOAD)

REGISTER_TENSORRT_PLUGIN(TokenMatchCreator);
REGISTER_TENSORRT_PLUGIN(TokenMergeCreator);
REGISTER_TENSORRT_PLUGIN(TokenUnmergeCreator);
REGISTER_TENSORRT_PLUGIN(ResizeArgmaxCreator);

#else

#define SEGPP_EXPORT __attribute__((visibility("default")))

extern "C" SEGPP_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder)
{
    segpp::setFinder(finder);
}

extern "C" SEGPP_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(std::int32_t& count)
{
    static TokenMatchCreator match;
    static TokenMergeCreator merge;
    static TokenUnmergeCreator unmerge;
    static ResizeArgmaxCreator resize;
    static std::array<nvinfer1::IPluginCreatorInterface*, 4> const creators{
        &match, &merge, &unmerge, &resize};
    count = static_cast<std::int32_t>(creators.size());
    return creators.data();
}

#endif
