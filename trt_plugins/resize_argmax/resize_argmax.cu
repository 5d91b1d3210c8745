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

//! A block has two rows of 30 cells, and a warp for every few classes.
template <int kScale, typename T>
__global__ void __launch_bounds__(kSlices* kWarp) resizeArgmaxCells(T const* __restrict__ logits,
    void* __restrict__ labels, ResizeArgmaxShape shape, int slices)
{
    __shared__ Shared<T> shared;
    int const plane = shape.height * shape.width;
    int const slice = warpId();
    // 1. The lane's logits: one column, three rows.
    int const x = static_cast<int>(blockIdx.y) * kColumns + laneId();
    int const top = static_cast<int>(blockIdx.x) * kCells;
    int const left = clamped(x - 1, shape.width);
    auto const image = std::size_t{blockIdx.z};
    T const* const planes = logits + image * shape.classes * plane;
    T const* row[kCells + 1];
#pragma unroll
    for (int i = 0; i <= kCells; ++i)
    {
        row[i] = whole(planes + clamped(top - 1 + i, shape.height) * shape.width + left);
    }
    Classes const classes{shape.classes, plane};
    // 2. The bounds of the slice's classes in both cells, and by them the classes that can win.
    Bounds<T> bounds;
    lookAtSlice(bounds, classes, slice * kShare, row);
    tellFloor(shared, bounds, slice);
    __syncthreads();
    tellWinners(shared, bounds, slices, slice, shape.classes);
    __syncthreads();
    // 3. A row of cells: s * s pixels of the class that is left, or of the best of several.
    Place const place{top + slice, x};
    if (slice >= kCells || place.y > shape.height)
    {
        return;
    }
    int const step = clamped(x, shape.width) - left;
    T const* const above = slice ? row[1] : row[0];
    T const* const below = slice ? row[2] : row[1];
    Corners<T> const corners{above, whole(above + step), below, whole(below + step)};
    bool const narrow = shape.classes <= kMostInt8;
    std::size_t const offset = image * plane * (kScale * kScale) * (narrow ? 1 : sizeof(int));
    Target<kScale> const target{
        static_cast<char*>(labels) + offset, narrow, shape.out_height, shape.out_width};
    label<kScale>(classes, Winners<T>{shared, slices, slice}, corners, place, target);
}

template <int kScale, typename T>
cudaError_t byCells(ResizeArgmaxShape const& shape, void const* logits, void* labels,
    cudaStream_t stream) noexcept
{
    int const slices = slicesFor(shape.classes);
    dim3 const grid(blocksFor(shape.height + 1, kCells), blocksFor(shape.width, kColumns),
        shape.batch);
    return launch(resizeArgmaxCells<kScale, T>, grid, dim3(slices * kWarp), 0, stream,
        static_cast<T const*>(logits), labels, shape, slices);
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
    // A lone class has nothing to be compared with; blocks along y and z of a grid end at 65535.
    bool const fits = shape.classes > 1 && shape.classes <= kMostClasses && shape.width < 1 << 20
        && shape.batch < 1 << 16;
    // So that the starts of the classes that a slice has too many stay below 2^32.
    bool const small = std::int64_t{shape.height} * shape.width < 1 << 26;
    bool const words = aligned(0, sizeof(int4), labels, nullptr);
    return whole && fits && small && words && !shape.align_corners ? scale : 0;
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
