//! tokenMatch for callers without C++.
#include "token_match.h"

namespace
{

//! In the order of TokenMatchShape.
segpp::TokenMatchShape shapeOf(std::int32_t const* numbers)
{
    return {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6],
        numbers[7]};
}

} // namespace

extern "C" int workspaceSize(std::int32_t const* shape, std::int64_t type, std::uint64_t* bytes)
{
    *bytes = segpp::tokenMatchWorkspaceSize(
        shapeOf(shape), static_cast<segpp::ElementType>(type));
    return 0;
}

extern "C" int match(std::int32_t const* shape, std::int64_t type, void const* x,
    std::int32_t* slot, void* workspace)
{
    auto const element = static_cast<segpp::ElementType>(type);
    cudaError_t const status = segpp::tokenMatchPrepare(shapeOf(shape), element);
    return status == cudaSuccess
        ? segpp::tokenMatch(shapeOf(shape), element, x, slot, workspace, nullptr)
        : status;
}
