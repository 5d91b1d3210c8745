//! tokenMatch under names that ctypes finds. Shapes come by value: arrays lie where kernels run.
#include "cuda_utils/launch.cuh"
#include "token_match/match_plan.h"
#include "token_match/match_window.cuh"
#include "token_match/selection/match_select.cuh"
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

//! First and last tile of every split.
__global__ void writeShares(int destinations, int columns, std::int32_t* shares)
{
    segpp::Tiles const tiles = segpp::tilesOfSplit(destinations, columns);
    shares[2 * blockIdx.y] = tiles.first;
    shares[2 * blockIdx.y + 1] = tiles.last;
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

//! The selection alone, of matches (splits, B, padded S) and lengths (B, padded S).
extern "C" int selectSlots(std::int64_t batch, std::int64_t height, std::int64_t width,
    std::int64_t strideY, std::int64_t strideX, std::int64_t merged, std::int64_t splits,
    std::int64_t anywhere, std::int64_t processors, float* values, std::int32_t* destinations,
    float* inverse, std::int32_t* slot)
{
    auto const shape = shapeOf(batch, 1, height, width, strideY, strideX, merged, 0);
    segpp::MatchResults const results{nullptr, nullptr, inverse, values, destinations};
    return segpp::Selection{segpp::latticeOf(shape), shape.batch, shape.merged,
        static_cast<int>(splits), static_cast<int>(processors), anywhere != 0}
        .launchOn(results, slot, nullptr);
}

//! Whether tiles are tall; columns and splits of tall, flat and simple tiles; the most images x
//! splits that the workspace of this batch has room for.
extern "C" int plan(std::int64_t batch, std::int64_t height, std::int64_t width,
    std::int64_t strideY, std::int64_t strideX, std::int64_t processors, std::int32_t* out)
{
    auto const shape = shapeOf(batch, 1, height, width, strideY, strideX, 0, 0);
    auto const lattice = segpp::latticeOf(shape);
    auto const chip = static_cast<int>(processors);
    *out++ = segpp::isTall(lattice, shape.batch, chip);
    for (segpp::Tile const tile : {segpp::kTall, segpp::kFlat, segpp::kSimple})
    {
        *out++ = tile.columns;
        *out++ = segpp::splitsOn(lattice, shape.batch, tile, chip);
    }
    *out = static_cast<std::int32_t>(segpp::mostSplitImages(lattice, shape.batch));
    return 0;
}

//! First and last tile of every split.
extern "C" int shares(
    std::int64_t destinations, std::int64_t columns, std::int64_t splits, std::int32_t* out)
{
    return segpp::launch(writeShares, dim3(1, static_cast<unsigned int>(splits)), dim3(1), 0,
        nullptr, static_cast<int>(destinations), static_cast<int>(columns), out);
}

#if defined(SEGPP_CPU_EMULATION)
namespace
{

//! Bytes that each source has read of each row: of the tokens, then of the destinations.
struct Reading
{
    unsigned char const* tokens;
    unsigned char const* packed;
    std::int64_t rowBytes, tokenRows, packedRows;
    std::int32_t* bytes;
};
Reading reading{};

void note(void const* address, std::size_t bytes) noexcept
{
    auto const* const at = static_cast<unsigned char const*>(address);
    std::int64_t const source
        = blockIdx.x * segpp::kNearSources + threadIdx.x / segpp::kNearLanes;
    std::int64_t const rows = reading.tokenRows + reading.packedRows;
    std::int64_t const ofTokens = (at - reading.tokens) / reading.rowBytes;
    std::int64_t const ofPacked = (at - reading.packed) / reading.rowBytes;
    bool const isToken = at >= reading.tokens && ofTokens < reading.tokenRows;
    reading.bytes[source * rows + (isToken ? ofTokens : reading.tokenRows + ofPacked)]
        += static_cast<std::int32_t>(bytes);
}

} // namespace

//! What the match with a window reads: bytes (padded sources, N + D), of one image of half. The
//! other arrays are scratch.
extern "C" int nearReads(std::int64_t channels, std::int64_t height, std::int64_t width,
    std::int64_t strideY, std::int64_t strideX, std::int64_t window, unsigned char const* x,
    unsigned char* packed, float* inverseDestination, float* inverse, float* values,
    std::int32_t* destinations, std::int32_t* bytes)
{
    auto const shape = shapeOf(1, channels, height, width, strideY, strideX, 0, window);
    auto const lattice = segpp::latticeOf(shape);
    segpp::MatchResults const results{packed, inverseDestination, inverse, values, destinations};
    reading = {x, packed, channels * 2, lattice.tokens(), lattice.destinations, bytes};
    cpu_emulation::onRead = note;
    auto const blocks
        = static_cast<unsigned int>(segpp::ceilDivide(lattice.sources, segpp::kNearSources));
    cudaError_t const status = segpp::launch(segpp::matchNear<__half, 8>, dim3(blocks),
        dim3(segpp::kWindowThreads), 0, nullptr, lattice, shape.channels,
        lattice.destinations, shape.window, shape.window,
        reinterpret_cast<__half const*>(x), results);
    cpu_emulation::onRead = nullptr;
    return status;
}
#endif
