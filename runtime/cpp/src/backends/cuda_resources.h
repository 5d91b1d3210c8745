//! What CUDA lends, given back by itself: a stream, memory of both sides, a graph.
#pragma once

#include <segpp/error.h>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

namespace segpp
{

//! Throw InputError naming the step, if a call failed.
inline void checkCuda(cudaError_t status, char const* step)
{
    if (status != cudaSuccess)
    {
        throw InputError(std::string("CUDA failed: ") + step, {cudaGetErrorString(status)});
    }
}

//! A stream of its own: the default one waits for everything else on the device.
class CudaStream
{
public:
    CudaStream()
    {
        checkCuda(cudaStreamCreateWithFlags(&mStream, cudaStreamNonBlocking), "creating a stream");
    }
    CudaStream(CudaStream const&) = delete;
    CudaStream& operator=(CudaStream const&) = delete;
    ~CudaStream()
    {
        cudaStreamDestroy(mStream);
    }
    cudaStream_t get() const
    {
        return mStream;
    }

private:
    cudaStream_t mStream{nullptr};
};

//! A tensor in pinned memory of the host and on the device; where both share their memory, as on a
//! Jetson, they are the same bytes and nothing is copied.
class CudaTensor
{
public:
    CudaTensor(std::size_t bytes, bool isShared)
        : mBytes(bytes)
        , mIsShared(isShared)
    {
        unsigned const flags = isShared ? cudaHostAllocMapped : cudaHostAllocDefault;
        checkCuda(cudaHostAlloc(&mHost, bytes, flags), "allocating pinned memory");
        cudaError_t const status = isShared ? cudaHostGetDevicePointer(&mDevice, mHost, 0)
                                            : cudaMalloc(&mDevice, bytes);
        if (status != cudaSuccess)
        {
            cudaFreeHost(mHost);
            checkCuda(status, "allocating memory on the GPU");
        }
    }
    CudaTensor(CudaTensor const&) = delete;
    CudaTensor& operator=(CudaTensor const&) = delete;
    ~CudaTensor()
    {
        if (!mIsShared)
        {
            cudaFree(mDevice);
        }
        cudaFreeHost(mHost);
    }

    void* host() const
    {
        return mHost;
    }
    void* device() const
    {
        return mDevice;
    }

    void copyToDevice(cudaStream_t stream) const
    {
        if (!mIsShared)
        {
            checkCuda(cudaMemcpyAsync(mDevice, mHost, mBytes, cudaMemcpyHostToDevice, stream),
                "copying to the GPU");
        }
    }

    void copyToHost(cudaStream_t stream) const
    {
        if (!mIsShared)
        {
            checkCuda(cudaMemcpyAsync(mHost, mDevice, mBytes, cudaMemcpyDeviceToHost, stream),
                "copying from the GPU");
        }
    }

private:
    std::size_t mBytes;
    bool mIsShared;
    void* mHost{nullptr};
    void* mDevice{nullptr};
};

//! What was captured from a stream, ready to be launched; empty until then.
class CudaGraph
{
public:
    CudaGraph() = default;
    CudaGraph(CudaGraph const&) = delete;
    CudaGraph& operator=(CudaGraph const&) = delete;
    ~CudaGraph()
    {
        if (mReady != nullptr)
        {
            cudaGraphExecDestroy(mReady);
        }
    }

    //! Capture what `enqueue` puts on the stream. Throws InputError if something in it cannot be.
    template <typename Enqueue>
    void capture(cudaStream_t stream, Enqueue const& enqueue)
    {
        checkCuda(
            cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "beginning a graph");
        cudaGraph_t graph = nullptr;
        try
        {
            enqueue();
        }
        catch (...)
        {
            cudaStreamEndCapture(stream, &graph);
            discard(graph);
            throw;
        }
        checkCuda(cudaStreamEndCapture(stream, &graph), "ending a graph");
        cudaError_t const status = cudaGraphInstantiate(&mReady, graph, 0);
        discard(graph);
        checkCuda(status, "preparing a graph");
    }

    bool isReady() const
    {
        return mReady != nullptr;
    }

    void launch(cudaStream_t stream) const
    {
        checkCuda(cudaGraphLaunch(mReady, stream), "launching the graph");
    }

private:
    static void discard(cudaGraph_t graph)
    {
        if (graph != nullptr)
        {
            cudaGraphDestroy(graph);
        }
        // A failed capture leaves an error behind, which is dealt with.
        cudaGetLastError();
    }

    cudaGraphExec_t mReady{nullptr};
};

} // namespace segpp
