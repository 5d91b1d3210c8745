//! The launches of SegppDecodeHead and the choice between them. decode_head.h says what they do.
#include "decode_head.h"

#include "cuda_utils/element.cuh"
#include "cuda_utils/launch.cuh"
#include "head_pixels.cuh"
#include "head_tensor.cuh"

#include <type_traits>

namespace segpp
{
namespace
{

using namespace head;

constexpr std::size_t kMostShared = 47 * 1024;  // without asking, beside the places of the rows
constexpr int kMostTensorSize = 16384;  // of an axis; see the slack of cellsOf()
constexpr int kMostGrid = 65535;

//! Whether from one pixel to the next the place on a level moves by at most one. Of a level with a
//! row less than the first it moves by 1 - 1 / pixels, which below 2048 is less than 1 by more than
//! the roundings of two places; of 2048 or more by that only where the level is clearly coarser.
bool advancesByOne(std::int32_t size, std::int32_t pixels) noexcept
{
    return size <= pixels && (pixels < 2048 || size <= pixels / 2);
}

template <typename T>
struct Call
{
    DecodeHeadShape shape;
    Planes planes;
    Cells cells;
    Maps<T> maps;
    T const* weight;
    T const* bias;
    T* logits;
    cudaStream_t stream;

    template <int kTiles, int kStrips>
    static constexpr bool fits(Cells const& cells) noexcept
    {
        return Window<T, 4 * kStrips, kTiles * kTileClasses>::bytes(cells) <= kMostShared;
    }

    template <int kTiles, int kStrips>
    cudaError_t tensor() const noexcept
    {
        constexpr int rows = 4 * kStrips;
        constexpr int classes = kTiles * kTileClasses;
        std::uint32_t const tiles
            = blocksFor(shape.width[0], kTileWidth) * blocksFor(shape.height[0], rows);
        dim3 const grid(tiles, shape.batch, blocksFor(shape.classes, classes));
        bool const wide = shape.width[0] % kQuad == 0
            && aligned(0, sizeof(Pack<T, kQuad>), maps.first, nullptr);
        return launch(decodeHeadTensor<T, kTiles, kStrips>, grid, dim3(kThreads),
            Window<T, rows, classes>::bytes(cells), stream, planes, cells, shape.channels,
            shape.classes, wide, maps, weight, bias, logits);
    }

    cudaError_t pixels() const noexcept
    {
        std::int32_t const plane = shape.height[0] * shape.width[0];
        dim3 const grid(blocksFor(plane, kPixelThreads), shape.batch,
            blocksFor(shape.classes, kPixelClasses));
        return launch(decodeHeadPixels<T>, grid, dim3(kPixelThreads), 0, stream, planes,
            shape.channels, shape.classes, maps, weight, bias, logits);
    }

    //! Tall tiles have fewer edges; flat ones leave registers for more classes.
    cudaError_t best(bool hasTensorCores) const noexcept
    {
        if constexpr (!std::is_same_v<T, float>)
        {
            if (hasTensorCores && suitsTensorCores())
            {
                if (shape.classes <= 3 * kTileClasses && fits<3, 2>(cells))
                {
                    return tensor<3, 2>();
                }
                return shape.classes <= 8 * kTileClasses ? tensor<8, 1>() : tensor<19, 1>();
            }
        }
        return pixels();
    }

    bool suitsTensorCores() const noexcept
    {
        bool coarser = shape.width[0] <= kMostTensorSize && shape.height[0] <= kMostTensorSize;
        for (int i = 1; i < kHeadLevels; ++i)
        {
            coarser = coarser && advancesByOne(shape.height[i], shape.height[0])
                && shape.width[i] <= shape.width[0];
        }
        return coarser && shape.channels % kChannels == 0
            && aligned(0, sizeof(Pack<T, kQuad>), weight, nullptr);
    }
};

template <typename T>
cudaError_t decodeHeadOf(DecodeHeadShape const& shape, DecodeHeadInputs const& inputs,
    void* logits, cudaStream_t stream) noexcept
{
    int device = 0;
    int major = 0;
    cudaError_t status = cudaGetDevice(&device);
    if (status == cudaSuccess)
    {
        status = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    }
    if (status != cudaSuccess)
    {
        return status;
    }
    auto const map = [&](int level) { return static_cast<T const*>(inputs.levels[level]); };
    Planes const planes = planesOf(shape);
    Call<T> const call{shape, planes, cellsOf(planes), {map(0), {map(1), map(2), map(3)}},
        static_cast<T const*>(inputs.weight), static_cast<T const*>(inputs.bias),
        static_cast<T*>(logits), stream};
    return call.best(major >= 8);
}

} // namespace

bool decodeHeadIsValid(DecodeHeadShape const& shape) noexcept
{
    auto const countable = [](std::int64_t images, std::int32_t height, std::int32_t width) {
        std::int64_t const plane = std::int64_t{height} * width;
        return height > 0 && width > 0 && plane <= 0x7fffffff && images * plane <= 0x7fffffff;
    };
    bool valid = shape.batch > 0 && shape.batch <= kMostGrid && shape.classes > 0
        && shape.classes <= kMostGrid && indexable(shape.classes, shape.channels)
        && countable(shape.classes, shape.height[0], shape.width[0]);
    for (int i = 0; i < kHeadLevels; ++i)
    {
        valid = valid && countable(shape.channels, shape.height[i], shape.width[i]);
    }
    return valid;
}

cudaError_t decodeHead(DecodeHeadShape const& shape, ElementType type,
    DecodeHeadInputs const& inputs, void* logits, cudaStream_t stream) noexcept
{
    if (!decodeHeadIsValid(shape))
    {
        return cudaErrorInvalidValue;
    }
    switch (type)
    {
    case ElementType::kFloat32: return decodeHeadOf<float>(shape, inputs, logits, stream);
    case ElementType::kFloat16: return decodeHeadOf<__half>(shape, inputs, logits, stream);
    case ElementType::kBFloat16:
        return decodeHeadOf<__nv_bfloat16>(shape, inputs, logits, stream);
    }
    return cudaErrorInvalidValue;
}

} // namespace segpp
