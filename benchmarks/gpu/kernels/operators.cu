//! The kernels for PyTorch: pointers of its tensors, and the stream that it works in.
#include "resize_argmax/resize_argmax.h"
#include "token_match/token_match.h"
#include "token_merge/token_merge.h"
#include "token_unmerge/token_unmerge.h"

namespace
{

segpp::TokenMatchShape matchShape(std::int32_t const* shape)
{
    return {shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6], shape[7]};
}

segpp::ElementType typeOf(int type)
{
    return static_cast<segpp::ElementType>(type);
}

cudaStream_t streamOf(void* stream)
{
    return static_cast<cudaStream_t>(stream);
}

} // namespace

extern "C" std::int64_t segppMatchWorkspace(std::int32_t const* shape, int type)
{
    return static_cast<std::int64_t>(
        segpp::tokenMatchWorkspaceSize(matchShape(shape), typeOf(type)));
}

extern "C" int segppMatchPrepare(std::int32_t const* shape, int type)
{
    return segpp::tokenMatchPrepare(matchShape(shape), typeOf(type));
}

extern "C" int segppMatch(std::int32_t const* shape, int type, void const* x, std::int32_t* slot,
    void* workspace, void* stream)
{
    return segpp::tokenMatch(
        matchShape(shape), typeOf(type), x, slot, workspace, streamOf(stream));
}

//! Batch, tokens, channels, slots.
extern "C" int segppMerge(std::int32_t const* shape, int type, void const* x,
    std::int32_t const* slot, void* y, void* stream)
{
    return segpp::tokenMerge({shape[0], shape[1], shape[2], shape[3], shape[4]}, typeOf(type), x, slot, y,
        nullptr, streamOf(stream));
}

extern "C" int segppUnmerge(std::int32_t const* shape, int type, void const* y,
    std::int32_t const* slot, void* x, void* stream)
{
    return segpp::tokenUnmerge({shape[0], shape[1], shape[2], shape[3]}, typeOf(type), y, slot, x,
        streamOf(stream));
}

extern "C" int segppResizeArgmax(
    std::int32_t const* shape, int type, void const* logits, void* labels, void* stream)
{
    return segpp::resizeArgmax({shape[0], shape[1], shape[2], shape[3], shape[4], shape[5]},
        typeOf(type), logits, labels, streamOf(stream));
}
