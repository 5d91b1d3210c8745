//! tokenMatch under names that ctypes finds. Shapes come by value: arrays lie where kernels run.
#include "cuda_utils/launch.cuh"
#include "token_match/match_shape.cuh"
#include "token_match/token_match.h"

namespace
{

segpp::TokenMatchShape shapeOf(std::int64_t batch, std::int64_t channels, std::int64_t height,
    std::int64_t width, std::int64_t strideY, std::int64_t strideX, std::int64_t merged,
    std::int64_t window)
{
    auto const narrow = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
    return {narrow(batch), narrow(channels), narrow(height), narrow(width), narrow(strideY),
        narrow(strideX), narrow(merged), narrow(window)};
}

__global__ void writeLattice(segpp::MatchLattice lattice, std::int32_t* tokens)
{
    for (int source = 0; source < lattice.sources; ++source)
    {
        *tokens++ = lattice.sourceToken(source);
    }
    for (int destination = 0; destination < lattice.destinations; ++destination)
    {
        *tokens++ = lattice.destinationToken(destination);
    }
}

} // namespace

//! Bytes, of which tests never need more than an int holds.
extern "C" int workspaceSize(std::int64_t batch, std::int64_t channels, std::int64_t height,
    std::int64_t width, std::int64_t strideY, std::int64_t strideX, std::int64_t merged,
    std::int64_t window, std::int64_t type)
{
    return static_cast<int>(segpp::tokenMatchWorkspaceSize(
        shapeOf(batch, channels, height, width, strideY, strideX, merged, window),
        static_cast<segpp::ElementType>(type)));
}

//! The tokens start ``skipped`` elements behind ``x``.
extern "C" int match(std::int64_t batch, std::int64_t channels, std::int64_t height,
    std::int64_t width, std::int64_t strideY, std::int64_t strideX, std::int64_t merged,
    std::int64_t window, std::int64_t type, unsigned char const* x, std::int64_t skipped,
    std::int32_t* slot, void* workspace)
{
    auto const shape = shapeOf(batch, channels, height, width, strideY, strideX, merged, window);
    auto const element = static_cast<segpp::ElementType>(type);
    cudaError_t const status = segpp::tokenMatchPrepare(shape, element);
    auto const bytes = static_cast<std::int64_t>(segpp::elementBytes(element));
    return status == cudaSuccess
        ? segpp::tokenMatch(shape, element, x + skipped * bytes, slot, workspace, nullptr)
        : status;
}

//! The tokens of all sources, then those of all destinations.
extern "C" int lattice(std::int64_t height, std::int64_t width, std::int64_t strideY,
    std::int64_t strideX, std::int32_t* tokens)
{
    auto const shape = shapeOf(1, 1, height, width, strideY, strideX, 0, 0);
    return segpp::launch(
        writeLattice, dim3(1), dim3(1), 0, nullptr, segpp::latticeOf(shape), tokens);
}
