//! Time of a launch, measured as an engine runs it: many of them in one CUDA graph.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>

namespace segpp::benchmark
{

constexpr int kLaunches = 48;  // of a graph
constexpr int kReplays = 21;

//! What is launched: on which of several sets of buffers, and in which stream.
using Launch = std::function<cudaError_t(int set, cudaStream_t stream)>;

//! Ends the program unless the call succeeded.
void check(cudaError_t error, char const* what);

//! Memory of the device that lives as long as this.
class Buffer
{
public:
    explicit Buffer(std::size_t bytes);
    ~Buffer();
    Buffer(Buffer const&) = delete;
    Buffer& operator=(Buffer const&) = delete;

    template <typename T = void>
    T* at(std::size_t bytes = 0) const
    {
        return reinterpret_cast<T*>(static_cast<char*>(mData) + bytes);
    }

private:
    void* mData{nullptr};
};

//! Median over the replays, in microseconds per launch. The sets take turns.
double microseconds(Launch const& launch, int sets);

//! Microseconds of a copy that reads and writes ``bytes`` altogether, in a graph like the others.
double microsecondsOfCopy(std::size_t bytes, int sets);

//! Sets of ``bytes`` each that together are four times what the second-level cache holds.
int coldSets(std::size_t bytes);

} // namespace segpp::benchmark
