//! The launches of SegppTokenMatch, and what passes between them. token_match.h says what they do.
#include "token_match.h"

#include "match_product.cuh"
#include "match_product_tensor.cuh"
#include "match_select.cuh"
#include "match_window.cuh"

#include <algorithm>
#include <type_traits>

namespace segpp
{
namespace
{

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kMostTensorShared = 99 * 1024;  // what every chip since sm_80 has
constexpr int kMostBlocks = 512;  // more do not run at once, whatever the chip: no more splits

constexpr int kTallRows = 64, kTallColumns = 128;
constexpr int kFlatRows = 32, kFlatColumns = 64;

constexpr int ceilDivide(int a, int b) noexcept
{
    return (a + b - 1) / b;
}

bool isValid(TokenMatchShape const& shape) noexcept
{
    if (shape.batch < 1 || shape.batch > kMostMatchImages || shape.channels < 1 || shape.height < 1
        || shape.width < 1 || shape.stride_y < 1 || shape.stride_x < 1 || shape.window < 0
        || shape.merged < 0 || std::int64_t{shape.height} * shape.width > kMostMatchTokens)
    {
        return false;
    }
    MatchLattice const lattice = latticeOf(shape);
    return lattice.destinations >= 1 && shape.merged <= lattice.sources;
}

int paddedDestinations(MatchLattice const& lattice) noexcept
{
    return ceilDivide(lattice.destinations, kDestinationPadding) * kDestinationPadding;
}

//! As many splits as give ``blocks`` blocks, if there are tiles of destinations to split.
int splitsFor(
    MatchLattice const& lattice, int batch, int rows, int columns, int blocks) noexcept
{
    std::int64_t const whole = std::int64_t{ceilDivide(lattice.sources, rows)} * batch;
    std::int64_t const wanted = whole ? (blocks + whole - 1) / whole : 1;
    return static_cast<int>(
        std::min<std::int64_t>(wanted, ceilDivide(lattice.destinations, columns)));
}

//! The parts of the workspace. Their sizes depend on the shape alone, not on the chip.
struct Workspace
{
    MatchResults results;
    std::size_t bytes;

    Workspace(TokenMatchShape const& shape, ElementType type, void* start) noexcept
    {
        MatchLattice const lattice = latticeOf(shape);
        std::size_t const batch = shape.batch;
        std::size_t const sources = batch * lattice.sources;
        int splits = 1;
        if (shape.window == 0)
        {
            splits = splitsFor(lattice, shape.batch, kTallRows, kFlatColumns, kMostBlocks);
        }
        bytes = 0;
        auto const take = [&](std::size_t size) {
            auto* const at = static_cast<unsigned char*>(start);
            std::size_t const offset = bytes;
            bytes += (size + kAlignment - 1) / kAlignment * kAlignment;
            return static_cast<void*>(at ? at + offset : nullptr);
        };
        results.packed = take(batch * lattice.destinations * shape.channels * elementBytes(type));
        results.inverseDestination
            = static_cast<float*>(take(batch * paddedDestinations(lattice) * sizeof(float)));
        results.inverseSource = static_cast<float*>(take(sources * sizeof(float)));
        results.best = static_cast<Match*>(take(sources * splits * sizeof(Match)));
        std::size_t const keys = lattice.sources > kSelectSources ? sources : 0;
        results.keys = static_cast<unsigned int*>(take(keys * sizeof(unsigned int)));
    }
};

//! What the launches depend on beside the shape.
struct Device
{
    int processors;
    bool hasTensorCopies;  // cp.async and the wide mma: sm_80 and later
};

cudaError_t readDevice(Device& device) noexcept
{
    int index = 0;
    int major = 0;
    cudaError_t status = cudaGetDevice(&index);
    if (status == cudaSuccess)
    {
        status = cudaDeviceGetAttribute(
            &device.processors, cudaDevAttrMultiProcessorCount, index);
    }
    if (status == cudaSuccess)
    {
        status = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index);
    }
    device.hasTensorCopies = major >= 8;
    return status;
}

//! One call, for one type of element.
template <typename T>
struct Call
{
    TokenMatchShape shape;
    MatchLattice lattice;
    int padded;
    T const* x;
    MatchResults results;
    Device device;
    cudaStream_t stream;

    template <int kCount>
    cudaError_t pack() const noexcept
    {
        dim3 const grid(ceilDivide(padded, kPackWarps), shape.batch);
        return launch(packDestinations<T, kCount>, grid, dim3(kPackWarps * kWarp), 0, stream,
            lattice, shape.channels, padded, x, static_cast<T*>(results.packed),
            results.inverseDestination);
    }

    template <int kCount>
    cudaError_t near() const noexcept
    {
        dim3 const grid(ceilDivide(lattice.sources, kNearSources), shape.batch);
        // A window of more cells than there are is all of them.
        int const windowY = std::min(shape.window, lattice.cellsY);
        int const windowX = std::min(shape.window, lattice.cellsX);
        return launch(matchNear<T, kCount>, grid, dim3(kWindowThreads), 0, stream, lattice,
            shape.channels, padded, windowY, windowX, x, results);
    }

    template <int kRows, int kColumns>
    cudaError_t tensor(int& splits) const noexcept
    {
        splits = splitsFor(lattice, shape.batch, kRows, kColumns,
            std::min(kMostBlocks, 2 * device.processors));
        dim3 const grid(ceilDivide(lattice.sources, kRows), splits, shape.batch);
        return launch(matchTensor<T, kRows, kColumns>, grid, dim3(kTensorThreads),
            tensorShared<kRows, kColumns>(shape.channels), stream, lattice, shape.channels,
            padded, x, results);
    }

    cudaError_t simple(int& splits) const noexcept
    {
        splits = splitsFor(lattice, shape.batch, kSimpleTile, kSimpleTile,
            std::min(kMostBlocks, 2 * device.processors));
        dim3 const grid(ceilDivide(lattice.sources, kSimpleTile), splits, shape.batch);
        return launch(matchSimple<T>, grid, dim3(kSimpleThreads), 0, stream, lattice,
            shape.channels, padded, x, results);
    }

    //! Tall tiles read the destinations less often; flat ones make blocks for every processor.
    cudaError_t product(bool wide, int& splits) const noexcept
    {
        if constexpr (!std::is_same_v<T, float>)
        {
            int const tall = ceilDivide(lattice.sources, kTallRows) * shape.batch
                * ceilDivide(lattice.destinations, kTallColumns);
            bool const fits = tensorShared<kTallRows, kTallColumns>(shape.channels)
                <= kMostTensorShared;
            bool const fitsFlat = tensorShared<kFlatRows, kFlatColumns>(shape.channels)
                <= kMostTensorShared;
            if (device.hasTensorCopies && wide && fits && tall >= device.processors)
            {
                return tensor<kTallRows, kTallColumns>(splits);
            }
            if (device.hasTensorCopies && wide && fitsFlat)
            {
                return tensor<kFlatRows, kFlatColumns>(splits);
            }
        }
        return simple(splits);
    }

    //! Everything but the selection; `splits` says how many matches each source has got.
    cudaError_t match(int& splits) const noexcept
    {
        // 1. Destinations: x (B, N, C) to rows side by side (B, D, C) and 1 / length (B, padded D).
        bool const wide = shape.channels % kWide<T> == 0 && isAligned16(x);
        cudaError_t const status = wide ? pack<kWide<T>>() : pack<1>();
        if (status != cudaSuccess || lattice.sources == 0)
        {
            return status;
        }
        // 2. Sources: the best destination of each (splits, B, S), and 1 / length (B, S).
        if (shape.window > 0)
        {
            return wide ? near<kWide<T>>() : near<1>();
        }
        return product(wide, splits);
    }
};

template <typename T>
cudaError_t allowShared() noexcept
{
    cudaError_t const status = cudaFuncSetAttribute(matchTensor<T, kTallRows, kTallColumns>,
        cudaFuncAttributeMaxDynamicSharedMemorySize, kMostTensorShared);
    return status != cudaSuccess
        ? status
        : cudaFuncSetAttribute(matchTensor<T, kFlatRows, kFlatColumns>,
            cudaFuncAttributeMaxDynamicSharedMemorySize, kMostTensorShared);
}

} // namespace

std::size_t tokenMatchWorkspaceSize(TokenMatchShape const& shape, ElementType type) noexcept
{
    return isValid(shape) ? Workspace(shape, type, nullptr).bytes : 0;
}

cudaError_t tokenMatchPrepare(TokenMatchShape const& shape, ElementType type) noexcept
{
    if (!isValid(shape))
    {
        return cudaErrorInvalidValue;
    }
    Device device{};
    cudaError_t const status = readDevice(device);
    if (status != cudaSuccess || !device.hasTensorCopies || type == ElementType::kFloat32)
    {
        return status;
    }
    // Always the most: another layer with fewer channels must not lower the limit of this one.
    return type == ElementType::kFloat16 ? allowShared<__half>() : allowShared<__nv_bfloat16>();
}

cudaError_t tokenMatch(TokenMatchShape const& shape, ElementType type, void const* x,
    std::int32_t* slot, void* workspace, cudaStream_t stream) noexcept
{
    if (!isValid(shape))
    {
        return cudaErrorInvalidValue;
    }
    MatchLattice const lattice = latticeOf(shape);
    MatchResults const results = Workspace(shape, type, workspace).results;
    Device device{};
    cudaError_t status = readDevice(device);
    int splits = 1;
    auto const matchAs = [&](auto const* tokens) {
        using T = std::remove_const_t<std::remove_pointer_t<decltype(tokens)>>;
        return Call<T>{shape, lattice, paddedDestinations(lattice), tokens, results, device, stream}
            .match(splits);
    };
    if (status == cudaSuccess)
    {
        switch (type)
        {
        case ElementType::kFloat32: status = matchAs(static_cast<float const*>(x)); break;
        case ElementType::kFloat16: status = matchAs(static_cast<__half const*>(x)); break;
        case ElementType::kBFloat16: status = matchAs(static_cast<__nv_bfloat16 const*>(x)); break;
        default: status = cudaErrorInvalidValue;
        }
    }
    if (status != cudaSuccess)
    {
        return status;
    }
    // 3. The sources that merge, and the slots of all tokens (B, N).
    return launch(selectAndNumber, dim3(shape.batch), dim3(kSelectThreads), 0, stream, lattice,
        shape.merged, splits, shape.window == 0, results, slot);
}

} // namespace segpp
