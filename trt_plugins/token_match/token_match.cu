//! The launches of SegppTokenMatch, and what passes between them. token_match.h says what they do.
#include "token_match.h"

#include "match_plan.h"
#include "match_product.cuh"
#include "match_product_tensor.cuh"
#include "match_window.cuh"
#include "selection/match_select.cuh"

#include <algorithm>
#include <type_traits>

namespace segpp
{
namespace
{

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kMostTensorShared = 99 * 1024;  // what every chip since sm_80 has

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

//! The parts of the workspace. Their sizes depend on the shape alone, not on the chip, and grow
//! with the batch.
struct Workspace
{
    MatchResults results;
    std::size_t bytes;

    Workspace(TokenMatchShape const& shape, ElementType type, void* start) noexcept
    {
        MatchLattice const lattice = latticeOf(shape);
        std::size_t const batch = shape.batch;
        std::size_t const padded = lattice.paddedSources();
        std::size_t const matches = padded
            * (shape.window == 0 ? mostSplitImages(lattice, shape.batch) : shape.batch);
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
        results.inverseSource = static_cast<float*>(take(batch * padded * sizeof(float)));
        results.values = static_cast<float*>(take(matches * sizeof(float)));
        results.destinations = static_cast<int*>(take(matches * sizeof(int)));
    }
};

//! The tensor cores' kernel for whoever asks what code there is: the same for all types and tiles.
constexpr auto kTensorKernel = matchTensor<__half, kFlat.rows, kFlat.columns>;

//! What the launches depend on beside the shape.
struct Device
{
    int processors;
    bool hasTensorCode;  // cp.async and the wide mma
};

//! What the chip could do is not asked: a library that has nothing but PTX of sm_75 runs on a later
//! chip too, and in that code the instructions of sm_80 are missing. The version of the PTX is what
//! __CUDA_ARCH__ was, also where a toolkit made machine code of it.
cudaError_t readDevice(Device& device) noexcept
{
    int index = 0;
    cudaFuncAttributes code{};
    cudaError_t status = cudaGetDevice(&index);
    if (status == cudaSuccess)
    {
        status = cudaDeviceGetAttribute(&device.processors, cudaDevAttrMultiProcessorCount, index);
    }
    if (status == cudaSuccess)
    {
        status = cudaFuncGetAttributes(&code, kTensorKernel);
    }
    device.hasTensorCode = std::min(code.ptxVersion, code.binaryVersion) >= 80;
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
        splits = splitsOn(lattice, shape.batch, {kRows, kColumns}, device.processors);
        dim3 const grid(ceilDivide(lattice.sources, kRows), splits, shape.batch);
        return launch(matchTensor<T, kRows, kColumns>, grid, dim3(kTensorThreads),
            tensorShared<kRows, kColumns>(shape.channels), stream, lattice, shape.channels,
            padded, x, results);
    }

    cudaError_t simple(int& splits) const noexcept
    {
        splits = splitsOn(lattice, shape.batch, kSimple, device.processors);
        dim3 const grid(ceilDivide(lattice.sources, kSimpleTile), splits, shape.batch);
        return launch(matchSimple<T>, grid, dim3(kSimpleThreads), 0, stream, lattice,
            shape.channels, padded, x, results);
    }

    template <int kRows, int kColumns>
    bool fits() const noexcept
    {
        return tensorShared<kRows, kColumns>(shape.channels) <= kMostTensorShared;
    }

    //! Tall tiles read the destinations less often; flat ones make blocks for every processor.
    cudaError_t product(bool wide, int& splits) const noexcept
    {
        if constexpr (!std::is_same_v<T, float>)
        {
            bool const cores = device.hasTensorCode && wide;
            if (cores && fits<kTall.rows, kTall.columns>()
                && isTall(lattice, shape.batch, device.processors))
            {
                return tensor<kTall.rows, kTall.columns>(splits);
            }
            if (cores && fits<kFlat.rows, kFlat.columns>())
            {
                return tensor<kFlat.rows, kFlat.columns>(splits);
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
    cudaError_t const status = cudaFuncSetAttribute(matchTensor<T, kTall.rows, kTall.columns>,
        cudaFuncAttributeMaxDynamicSharedMemorySize, kMostTensorShared);
    return status != cudaSuccess
        ? status
        : cudaFuncSetAttribute(matchTensor<T, kFlat.rows, kFlat.columns>,
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
    if (status != cudaSuccess || !device.hasTensorCode || type == ElementType::kFloat32)
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
    return Selection{lattice, shape.batch, shape.merged, splits, device.processors,
        shape.window == 0}
        .launchOn(results, slot, stream);
}

} // namespace segpp
