//! Merge, unmerge and resize-argmax under names that ctypes finds. Pointers move by ``offset`` bytes
//! first, because every array arrives well aligned.
#include "cuda_utils/launch.cuh"
#include "resize_argmax/resize_argmax.h"
#include "token_merge/token_merge.h"
#include "token_unmerge/token_unmerge.h"

#include <cstdint>
#include <type_traits>

namespace
{

template <typename Pointer>
Pointer* moved(Pointer* pointer, std::int64_t offset)
{
    using Byte = std::conditional_t<std::is_const_v<Pointer>, char const, char>;
    return reinterpret_cast<Pointer*>(reinterpret_cast<Byte*>(pointer) + offset);
}

std::int32_t narrow(std::int64_t value)
{
    return static_cast<std::int32_t>(value);
}

segpp::ElementType typeOf(std::int64_t type)
{
    return static_cast<segpp::ElementType>(type);
}

__global__ void nothing() {}

} // namespace

//! What a launch that is refused leaves behind for others to find; -1 if it is not refused.
extern "C" int refusedLaunch()
{
    dim3 const tooMany(2048);
    cudaError_t const error = segpp::launch(nothing, dim3(1), tooMany, 0, nullptr);
    return error == cudaSuccess ? -1 : cudaGetLastError();
}

extern "C" int merge(void const* x, std::int32_t const* slot, void* y, std::int64_t type,
    std::int64_t batch, std::int64_t tokens, std::int64_t channels, std::int64_t slots,
    std::int64_t singles, std::int64_t offset)
{
    segpp::TokenMergeShape const shape{
        narrow(batch), narrow(tokens), narrow(channels), narrow(slots), narrow(singles)};
    if (segpp::tokenMergeWorkspaceSize(shape, typeOf(type)) != 0)
    {
        return -1;
    }
    return segpp::tokenMerge(
        shape, typeOf(type), moved(x, offset), slot, moved(y, offset), nullptr, nullptr);
}

extern "C" int unmerge(void const* y, std::int32_t const* slot, void* x, std::int64_t type,
    std::int64_t batch, std::int64_t tokens, std::int64_t channels, std::int64_t slots,
    std::int64_t offset)
{
    segpp::TokenUnmergeShape const shape{
        narrow(batch), narrow(tokens), narrow(channels), narrow(slots)};
    return segpp::tokenUnmerge(
        shape, typeOf(type), moved(y, offset), slot, moved(x, offset), nullptr);
}

extern "C" int unmergeAdd(void const* y, std::int32_t const* slot, void const* residual, void* x,
    std::int64_t type, std::int64_t batch, std::int64_t tokens, std::int64_t channels,
    std::int64_t slots, std::int64_t residualOffset, std::int64_t offset)
{
    segpp::TokenUnmergeShape const shape{
        narrow(batch), narrow(tokens), narrow(channels), narrow(slots)};
    segpp::UnmergeAddBuffers const buffers{
        moved(y, offset), slot, moved(residual, residualOffset), moved(x, offset)};
    return segpp::tokenUnmergeAdd(shape, typeOf(type), buffers, nullptr);
}

extern "C" int labels(void const* logits, void* out, std::int64_t type, std::int64_t batch,
    std::int64_t classes, std::int64_t height, std::int64_t width, std::int64_t outHeight,
    std::int64_t outWidth, std::int64_t alignCorners, std::int64_t offset)
{
    segpp::ResizeArgmaxShape const shape{narrow(batch), narrow(classes), narrow(height),
        narrow(width), narrow(outHeight), narrow(outWidth), alignCorners != 0};
    return segpp::resizeArgmax(
        shape, typeOf(type), moved(logits, offset), moved(out, offset), nullptr);
}
