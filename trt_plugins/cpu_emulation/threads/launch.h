//! Launches: the grid runs block by block on the calling thread, and is done when the call returns.
#pragma once

#include "memory/async_copy.h"
#include "support/api.h"
#include "support/device.h"
#include "warp.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <numeric>

namespace cpu_emulation
{

inline std::mutex launching{};

//! Dynamic shared memory that a kernel may use without cudaFuncSetAttribute, and at most.
constexpr std::size_t kDefaultShared = 48 * 1024;
constexpr std::size_t kMostShared = 99 * 1024;

inline std::map<void const*, std::size_t> sharedLimits{};

inline void setThreadOrder(std::uint64_t seed)
{
    machine.ready.setOrder(seed);
}

inline bool isValid(cudaLaunchConfig_t const& config, void const* kernel)
{
    dim3 const grid = config.gridDim;
    dim3 const block = config.blockDim;
    auto const limit = sharedLimits.find(kernel);
    std::size_t const shared = limit == sharedLimits.end() ? kDefaultShared : limit->second;
    return grid.x && grid.y && grid.z && grid.x <= 0x7fffffffU && grid.y <= 65535
        && grid.z <= 65535 && block.x && block.y && block.z && block.z <= 64
        && std::size_t{block.x} * block.y * block.z <= 1024 && config.dynamicSmemBytes <= shared;
}

inline void runGrid(std::size_t sharedBytes)
{
    std::size_t const blocks = std::size_t{gridDim.x} * gridDim.y * gridDim.z;
    std::vector<std::size_t> order(blocks);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (machine.ready.isShuffled())
    {
        std::shuffle(order.begin(), order.end(), machine.ready.random());
    }
    // Of exactly the size that was asked for, so that its end is guarded.
    void* memory = nullptr;
    if (sharedBytes && posix_memalign(&memory, 128, sharedBytes))
    {
        say("no memory for shared memory");
        fail();
    }
    dynamicShared = {static_cast<unsigned char*>(memory), sharedBytes};
    for (std::size_t const block : order)
    {
        blockIdx = {static_cast<unsigned int>(block % gridDim.x),
            static_cast<unsigned int>(block / gridDim.x % gridDim.y),
            static_cast<unsigned int>(block / gridDim.x / gridDim.y)};
        poisonShared();
        runBlock();
    }
    dynamicShared = {};
    std::free(memory);
}

} // namespace cpu_emulation

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(
    cudaLaunchConfig_t const* config, void (*kernel)(Parameters...), Arguments&&... arguments)
{
    std::lock_guard<std::mutex> const lock{cpu_emulation::launching};
    static bool const fromEnvironment = [] {
        if (char const* seed = std::getenv("SEGPP_THREAD_ORDER"))
        {
            cpu_emulation::setThreadOrder(std::strtoull(seed, nullptr, 10));
        }
        return true;
    }();
    static_cast<void>(fromEnvironment);
    if (!cpu_emulation::isValid(*config, reinterpret_cast<void const*>(kernel)))
    {
        cpu_emulation::lastError = cudaErrorInvalidConfiguration;
        return cudaErrorInvalidConfiguration;
    }
    cpu_emulation::segments = cpu_emulation::ownSegments();
    gridDim = config->gridDim;
    blockDim = config->blockDim;
    cpu_emulation::machine.kernel = [&] { kernel(static_cast<Parameters>(arguments)...); };
    cpu_emulation::runGrid(config->dynamicSmemBytes);
    cpu_emulation::machine.kernel = nullptr;
    return cudaSuccess;
}

template <typename... Parameters>
cudaError_t cudaFuncSetAttribute(
    void (*kernel)(Parameters...), cudaFuncAttribute attribute, int value) noexcept
{
    if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize)
    {
        if (value < 0 || static_cast<std::size_t>(value) > cpu_emulation::kMostShared)
        {
            return cudaErrorInvalidValue;
        }
        cpu_emulation::sharedLimits[reinterpret_cast<void const*>(kernel)]
            = static_cast<std::size_t>(value);
    }
    return cudaSuccess;
}

//! The code is for the device, unless the library is told to have been compiled for another.
template <typename... Parameters>
cudaError_t cudaFuncGetAttributes(
    cudaFuncAttributes* attributes, void (*)(Parameters...)) noexcept
{
    cpu_emulation::Device const device = cpu_emulation::device;
    *attributes = {device.code, device.capability};
    return cudaSuccess;
}

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) noexcept
{
    cpu_emulation::Device const device = cpu_emulation::device;
    switch (attribute)
    {
    case cudaDevAttrMultiProcessorCount: *value = device.processors; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor: *value = device.capability / 10; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = device.capability % 10; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = cpu_emulation::kMostShared;
        return cudaSuccess;
    }
    return cudaErrorInvalidValue;
}

//! Draws the order of threads and blocks from ``seed``; 0 runs them in order.
extern "C" __attribute__((used, visibility("default"))) inline void segppEmulationThreadOrder(
    std::uint64_t seed)
{
    cpu_emulation::setThreadOrder(seed);
}

//! What was done since the last call: blocks, barriers, mma, ldmatrix, bytes copied asynchronously.
extern "C" __attribute__((used, visibility("default"))) inline int segppEmulationCounts(
    std::uint64_t* out)
{
    cpu_emulation::Counts const counts = cpu_emulation::counts;
    cpu_emulation::counts = {};
    std::uint64_t const numbers[]{counts.blocks, counts.barriers, counts.multiplications,
        counts.matrixLoads, counts.copiedBytes};
    std::copy(std::begin(numbers), std::end(numbers), out);
    return 0;
}

//! The device that the kernels are told they run on: 87 is sm_87.
extern "C" __attribute__((used, visibility("default"))) inline void segppEmulationDevice(
    int capability, int processors)
{
    cpu_emulation::device = {capability, processors, capability};
}

//! The PTX that the kernels' code was made of, where it is older than the device: 75 is sm_75.
//! Until the next call of segppEmulationDevice.
extern "C" __attribute__((used, visibility("default"))) inline int segppEmulationCode(
    std::int64_t version)
{
    cpu_emulation::device.code = static_cast<int>(version);
    return 0;
}
