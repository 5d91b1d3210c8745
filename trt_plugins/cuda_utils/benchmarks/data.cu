#include "data.h"

#include <cuda_fp16.h>

namespace segpp::benchmark
{
namespace
{

constexpr int kThreads = 256;
constexpr int kBlob = 16;

//! A number between -1 and 1 that looks drawn at random.
__device__ float drawn(std::uint32_t index, std::uint32_t seed)
{
    std::uint32_t bits = index * 0x9e3779b9U ^ seed * 0x85ebca6bU;
    bits = (bits ^ bits >> 16) * 0x7feb352dU;
    bits = (bits ^ bits >> 15) * 0x846ca68bU;
    bits ^= bits >> 16;
    return static_cast<float>(bits >> 8) * 0x1p-23F - 1.0F;
}

__global__ void drawTokens(__half* values, std::size_t count, std::uint32_t seed)
{
    std::size_t const index = std::size_t{blockIdx.x} * kThreads + threadIdx.x;
    if (index < count)
    {
        values[index] = __float2half_rn(drawn(static_cast<std::uint32_t>(index), seed));
    }
}

__global__ void drawLogits(__half* values, std::int32_t planes, std::int32_t height,
    std::int32_t width, float noise, std::uint32_t seed)
{
    auto const index = static_cast<std::int32_t>(blockIdx.x * kThreads + threadIdx.x);
    if (index >= planes * height * width)
    {
        return;
    }
    std::int32_t const x = index % width;
    std::int32_t const y = index / width % height;
    std::int32_t const plane = index / width / height;
    std::int32_t const blobs = (width + kBlob - 1) / kBlob;
    std::int32_t const blob = (plane * height + y / kBlob) * blobs + x / kBlob;
    float const value = 4.0F * drawn(static_cast<std::uint32_t>(blob), seed + 1)
        + noise * drawn(static_cast<std::uint32_t>(index), seed);
    values[index] = __float2half_rn(value);
}

unsigned blocksFor(std::size_t count)
{
    return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

} // namespace

void fillTokens(Buffer const& memory, std::size_t place, std::size_t count, std::uint32_t seed)
{
    drawTokens<<<blocksFor(count), kThreads>>>(memory.at<__half>(place), count, seed);
    check(cudaDeviceSynchronize(), "fill tokens");
}

void fillLogits(Buffer const& memory, std::size_t place, std::int32_t planes, std::int32_t height,
    std::int32_t width, bool smooth, std::uint32_t seed)
{
    std::size_t const count = std::size_t{1} * planes * height * width;
    drawLogits<<<blocksFor(count), kThreads>>>(memory.at<__half>(place), planes, height, width,
        smooth ? 0.05F : 8.0F, seed);
    check(cudaDeviceSynchronize(), "fill logits");
}

} // namespace segpp::benchmark
