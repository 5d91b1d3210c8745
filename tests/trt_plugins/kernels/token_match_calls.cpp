//! tokenMatch for callers without C++.
#include "token_match/match_shape.cuh"
#include "token_match/token_match.h"

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
    *bytes
        = segpp::tokenMatchWorkspaceSize(shapeOf(shape), static_cast<segpp::ElementType>(type));
    return 0;
}

//! The tokens start ``skipped`` elements behind ``x``.
extern "C" int match(std::int32_t const* shape, std::int64_t type, unsigned char const* x,
    std::int64_t skipped, std::int32_t* slot, void* workspace)
{
    auto const element = static_cast<segpp::ElementType>(type);
    cudaError_t const status = segpp::tokenMatchPrepare(shapeOf(shape), element);
    auto const bytes = static_cast<std::int64_t>(segpp::elementBytes(element));
    return status == cudaSuccess ? segpp::tokenMatch(shapeOf(shape), element, x + skipped * bytes,
               slot, workspace, nullptr)
                                 : status;
}

//! The tokens of all sources, then those of all destinations.
extern "C" int lattice(std::int32_t const* shape, std::int32_t* tokens)
{
    segpp::MatchLattice const lattice = segpp::latticeOf(shapeOf(shape));
    for (int source = 0; source < lattice.sources; ++source)
    {
        *tokens++ = lattice.sourceToken(source);
    }
    for (int destination = 0; destination < lattice.destinations; ++destination)
    {
        *tokens++ = lattice.destinationToken(destination);
    }
    return 0;
}
