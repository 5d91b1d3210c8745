"""Engines: files compiled for certain GPUs, run by TensorRT and TensorRT-RTX in one way.

An engine is code. Nothing of it reaches a library before ``trust`` has found that it is the file
its manifest describes, and that library, GPU and plugins here are those that it was built for.

    header   the first bytes: whose engine, of which version
    trust    whether it is the one, and for this machine
    cuda     the driver's calls, through NVIDIA's Python bindings
    loading  bytes to an execution context
    buffers  memory of its tensors, at addresses that stay
    graph    a call as a CUDA graph, where it can be one
    network  a ``Backend`` of all that
    rebuild  the engine of the same ONNX file, for what is here now
"""
