//! The two kernels of SegppResizeArgmax, by cells and by pixels. resize_argmax.h says what they do.
#include "resize_argmax.h"

#include "cuda_utils/element.cuh"
#include "cuda_utils/launch.cuh"
#include "resize_bounds.cuh"
#include "resize_cells.cuh"
#include "resize_pixels.cuh"

#include <cmath>

namespace segpp
{
namespace
{

using namespace resize;

constexpr int kThreads = 256;
// Blocks that share a multiprocessor: as many as registers allow without spilling.
template <int kScale>
constexpr int kBlocks = kScale == 4 ? 4 : 2;

constexpr int kMasked = 32;     // bits of a mask of classes
constexpr int kMostInt8 = 127;  // MAX_INT8_CLASSES in ops/reference.py

__device__ void store(void* labels, bool narrow, std::size_t pixel, int label)
{
    if (narrow)
    {
        static_cast<signed char*>(labels)[pixel] = static_cast<signed char>(label);
    }
    else
    {
        static_cast<int*>(labels)[pixel] = label;
    }
}

//! Of a single class the label is 1 where its value is above 0: as of two, the first of them 0.
template <typename T>
__global__ void __launch_bounds__(kThreads) resizeArgmaxPixels(T const* __restrict__ logits,
    void* __restrict__ labels, ResizeArgmaxShape shape, float scaleY, float scaleX)
{
    int const index = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
    int const pixels = shape.out_height * shape.out_width;
    if (index >= pixels)
    {
        return;
    }
    // 1. The four logits around the pixel, the same in every plane (h, w).
    float const centre = shape.align_corners ? 0.0F : 0.5F;
    Neighbours const row = neighboursOf(index / shape.out_width, scaleY, centre, shape.height);
    Neighbours const column = neighboursOf(index % shape.out_width, scaleX, centre, shape.width);
    int const plane = shape.height * shape.width;
    unsigned const corner[4] = {static_cast<unsigned>(row.low * shape.width + column.low),
        static_cast<unsigned>(row.low * shape.width + column.high),
        static_cast<unsigned>(row.high * shape.width + column.low),
        static_cast<unsigned>(row.high * shape.width + column.high)};
    for (auto image = blockIdx.y; image < static_cast<unsigned>(shape.batch); image += gridDim.y)
    {
        T const* from = logits + std::size_t{image} * shape.classes * plane;
        // 2. The best of the K values there.
        int const first = shape.classes == 1 ? 1 : 0;
        float best = first ? 0.0F : -INFINITY;
        int label = 0;
#pragma unroll 4
        for (int k = 0; k < shape.classes; ++k, from += plane)
        {
            float const above
                = between(toFloat(from[corner[0]]), toFloat(from[corner[1]]), column.weight);
            float const below
                = between(toFloat(from[corner[2]]), toFloat(from[corner[3]]), column.weight);
            float const value = between(above, below, row.weight);
            label = value > best ? k + first : label;
            best = value > best ? value : best;
        }
        store(labels, shape.classes <= kMostInt8, std::size_t{image} * pixels + index, label);
    }
}

__device__ int clamped(int value, int end)
{
    return value < 0 ? 0 : value < end ? value : end - 1;
}

template <int kScale, typename T>
__global__ void __launch_bounds__(kThreads, kBlocks<kScale>) resizeArgmaxCells(
    T const* __restrict__ logits, void* __restrict__ labels, ResizeArgmaxShape shape, int shift)
{
    int const columns = shape.width + 1;
    int const index = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
    int const x = index % columns;
    int const y = index / columns * kCells;
    if (y > shape.height)
    {
        return;
    }
    int const plane = shape.height * shape.width;
    // 1. The corners of the cells: three rows, of a logit and the one after it.
    // At the edges a cell is judged by one column of corners too many, which does no harm.
    int const column = clamped(x - 1, shape.width - 1);
    unsigned corner[kCells + 1];
#pragma unroll
    for (int i = 0; i <= kCells; ++i)
    {
        corner[i] = static_cast<unsigned>(clamped(y - 1 + i, shape.height) * shape.width + column);
    }
    unsigned const left = clamped(x - 1, shape.width) - column;
    unsigned const right = clamped(x, shape.width) - column;
    for (auto image = blockIdx.y; image < static_cast<unsigned>(shape.batch); image += gridDim.y)
    {
        T const* const planes = logits + std::size_t{image} * shape.classes * plane;
        bool const narrow = shape.classes <= kMostInt8;
        std::size_t const offset = std::size_t{image} * plane * (kScale * kScale);
        Classes<T> const classes{whole(planes), shape.classes, plane, shift};
        Target<kScale> const target{static_cast<char*>(labels) + offset * (narrow ? 1 : 4), narrow,
            shape.out_height, shape.out_width};
        int const groups = ((shape.classes - 1) >> shift) + 1;
        unsigned const all = 0xffffffffU >> (kMasked - groups);
        // 2. One pass over the K classes: the bounds of both cells.
        Bounds bounds{};
#pragma unroll
        for (float& floor : bounds.floor)
        {
            floor = -INFINITY;
        }
#pragma unroll 1
        for (int k = 0; k < shape.classes; k += kChunk)
        {
            look(bounds, classes, corner, k);
        }
#pragma unroll
        for (int i = 0; i < kCells; ++i)
        {
            // 3. Of each cell: s * s pixels of the class that is left, or of the best of several.
            bool const plain = bounds.isPlain(i);
            Corners const corners{corner[i] + left, corner[i] + right, corner[i + 1] + left,
                corner[i + 1] + right};
            Place const place{y + i, x};
            unsigned mask = plain ? bounds.canWin[i] & all : all;
            float const threshold = plain ? thresholdOf(bounds.floor[i]) : -INFINITY;
            int one = 0;
            if (place.y > shape.height)
            {
                continue;
            }
            if (sieve(classes, corners, threshold, mask, one) == 1)
            {
                fill(place, one, target);
            }
            else
            {
                interpolate(classes, corners, mask, place, target);
            }
        }
    }
}

//! A bit of a mask stands for 2^shift classes, so that all fit: for one, or for whole chunks.
int shiftFor(std::int32_t classes) noexcept
{
    int shift = 0;
    while ((classes - 1) >> shift >= kMasked)
    {
        shift += shift ? 1 : 2;
    }
    return shift;
}

static_assert(kChunk == 1 << 2);

template <int kScale, typename T>
cudaError_t byCells(ResizeArgmaxShape const& shape, void const* logits, void* labels,
    cudaStream_t stream) noexcept
{
    std::int32_t const cells = (shape.height / kCells + 1) * (shape.width + 1);
    dim3 const grid(blocksFor(cells, kThreads), imageBlocks(shape.batch));
    return launch(resizeArgmaxCells<kScale, T>, grid, dim3(kThreads), 0, stream,
        static_cast<T const*>(logits), labels, shape, shiftFor(shape.classes));
}

//! Logits per pixel along one axis.
float scaleFor(std::int32_t size, std::int32_t out, bool alignCorners) noexcept
{
    std::int32_t const from = alignCorners ? size - 1 : size;
    std::int32_t const to = alignCorners ? (out > 1 ? out - 1 : 1) : out;
    return static_cast<float>(from) / static_cast<float>(to);
}

template <typename T>
cudaError_t byPixels(ResizeArgmaxShape const& shape, void const* logits, void* labels,
    cudaStream_t stream) noexcept
{
    std::int32_t const pixels = shape.out_height * shape.out_width;
    dim3 const grid(blocksFor(pixels, kThreads), imageBlocks(shape.batch));
    float const scaleY = scaleFor(shape.height, shape.out_height, shape.align_corners);
    float const scaleX = scaleFor(shape.width, shape.out_width, shape.align_corners);
    return launch(resizeArgmaxPixels<T>, grid, dim3(kThreads), 0, stream,
        static_cast<T const*>(logits), labels, shape, scaleY, scaleX);
}

//! Pixels of a cell along each axis, 0 where the kernel of cells does not apply.
std::int32_t scaleOf(ResizeArgmaxShape const& shape, void const* labels) noexcept
{
    std::int32_t const scale = shape.out_height / shape.height;
    bool const whole
        = shape.out_height == scale * shape.height && shape.out_width == scale * shape.width;
    // A lone column has no second corner, and a lone class nothing to be compared with.
    bool const several = shape.width > 1 && shape.classes > 1;
    return whole && several && !shape.align_corners && aligned(0, sizeof(std::uint32_t), labels, nullptr) ? scale : 0;
}

template <typename T>
cudaError_t resizeArgmaxOf(ResizeArgmaxShape const& shape, void const* logits, void* labels,
    cudaStream_t stream) noexcept
{
    switch (scaleOf(shape, labels))
    {
    case 2: return byCells<2, T>(shape, logits, labels, stream);
    case 4: return byCells<4, T>(shape, logits, labels, stream);
    case 8: return byCells<8, T>(shape, logits, labels, stream);
    default: return byPixels<T>(shape, logits, labels, stream);
    }
}

bool isValid(ResizeArgmaxShape const& shape) noexcept
{
    std::int64_t const plane = std::int64_t{shape.height} * shape.width;
    return shape.batch > 0 && shape.classes > 0 && shape.height > 0 && shape.width > 0
        && plane <= 0x7fffffff && plane * shape.classes <= 0x7fffffff
        && indexable(shape.out_height, shape.out_width);
}

} // namespace

cudaError_t resizeArgmax(ResizeArgmaxShape const& shape, ElementType type, void const* logits,
    void* labels, cudaStream_t stream) noexcept
{
    if (!isValid(shape))
    {
        return cudaErrorInvalidValue;
    }
    switch (type)
    {
    case ElementType::kFloat32: return resizeArgmaxOf<float>(shape, logits, labels, stream);
    case ElementType::kFloat16: return resizeArgmaxOf<__half>(shape, logits, labels, stream);
    case ElementType::kBFloat16:
        return resizeArgmaxOf<__nv_bfloat16>(shape, logits, labels, stream);
    }
    return cudaErrorInvalidValue;
}

} // namespace segpp
