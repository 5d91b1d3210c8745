#include "timing.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace segpp::benchmark
{

void check(cudaError_t error, char const* what)
{
    if (error != cudaSuccess)
    {
        std::fprintf(stderr, "error: %s: %s\n", what, cudaGetErrorString(error));
        std::exit(1);
    }
}

Buffer::Buffer(std::size_t bytes)
{
    check(cudaMalloc(&mData, bytes), "cudaMalloc");
}

Buffer::~Buffer()
{
    cudaFree(mData);
}

namespace
{

cudaGraphExec_t graphOf(Launch const& launch, int sets, cudaStream_t stream)
{
    cudaGraph_t graph{};
    cudaGraphExec_t executable{};
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin capture");
    for (int i = 0; i < kLaunches; ++i)
    {
        check(launch(i % sets, stream), "launch");
    }
    check(cudaStreamEndCapture(stream, &graph), "end capture");
    check(cudaGraphInstantiate(&executable, graph, 0), "instantiate graph");
    check(cudaGraphDestroy(graph), "destroy graph");
    return executable;
}

float millisecondsOfReplay(cudaGraphExec_t graph, cudaStream_t stream)
{
    cudaEvent_t begin{};
    cudaEvent_t end{};
    check(cudaEventCreate(&begin), "create event");
    check(cudaEventCreate(&end), "create event");
    check(cudaEventRecord(begin, stream), "record event");
    check(cudaGraphLaunch(graph, stream), "launch graph");
    check(cudaEventRecord(end, stream), "record event");
    check(cudaEventSynchronize(end), "wait for graph");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "read time");
    check(cudaEventDestroy(begin), "destroy event");
    check(cudaEventDestroy(end), "destroy event");
    return milliseconds;
}

} // namespace

double microseconds(Launch const& launch, int sets)
{
    cudaStream_t stream{};
    check(cudaStreamCreate(&stream), "create stream");
    cudaGraphExec_t const graph = graphOf(launch, sets, stream);
    std::vector<float> times;
    // The first replays wake the clocks and are not counted.
    for (int i = -3; i < kReplays; ++i)
    {
        float const milliseconds = millisecondsOfReplay(graph, stream);
        if (i >= 0)
        {
            times.push_back(milliseconds);
        }
    }
    check(cudaGraphExecDestroy(graph), "destroy graph");
    check(cudaStreamDestroy(stream), "destroy stream");
    std::nth_element(times.begin(), times.begin() + kReplays / 2, times.end());
    return 1000.0 * times[kReplays / 2] / kLaunches;
}

double microsecondsOfCopy(std::size_t bytes, int sets)
{
    std::size_t const half = bytes / 2;
    std::size_t const step = (half + 255) / 256 * 256;
    Buffer const memory(2 * step * sets);
    check(cudaMemset(memory.at(), 0x5a, 2 * step * sets), "fill memory");
    auto const copy = [&](int set, cudaStream_t stream) {
        std::size_t const place = 2 * step * set;
        return cudaMemcpyAsync(
            memory.at(place + step), memory.at(place), half, cudaMemcpyDeviceToDevice, stream);
    };
    return microseconds(copy, sets);
}

int coldSets(std::size_t bytes)
{
    int device = 0;
    int cache = 0;
    check(cudaGetDevice(&device), "get device");
    check(cudaDeviceGetAttribute(&cache, cudaDevAttrL2CacheSize, device), "get size of cache");
    auto const wanted = 4 * static_cast<std::size_t>(cache) / bytes + 1;
    return static_cast<int>(std::clamp<std::size_t>(wanted, 2, kLaunches));
}

} // namespace segpp::benchmark
