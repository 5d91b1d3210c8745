//! What a library that runs networks must offer; everything else is the session's.
#pragma once

#include <segpp/manifest.h>
#include <segpp/session.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace segpp
{

//! One input or output as the library declares it; -1 where a dimension is open.
struct TensorInfo
{
    std::string name;
    std::vector<std::int64_t> shape;
    std::string dtype;
};

//! A loaded network. Its input and the output that is asked for keep their addresses.
class Backend
{
public:
    virtual ~Backend() = default;

    //! Library, version and device in words.
    virtual std::string description() const = 0;
    virtual std::vector<TensorInfo> inputs() const = 0;
    virtual std::vector<TensorInfo> outputs() const = 0;

    //! Make room for the input and one output. Once, before everything below.
    virtual void bind(InputSpec const& input, OutputSpec const& output) = 0;

    //! Where to write the input, and after `run` to read the output.
    virtual void* input() = 0;
    virtual void const* output() const = 0;

    //! Run the network once. Throws InputError: the library failed.
    virtual void run() = 0;

    //! What there is to say, a sentence each.
    virtual std::vector<std::string> notes() const
    {
        return {};
    }
};

//! Throws InputError: the file is damaged or refused; MissingError: this build has no ONNX Runtime.
std::unique_ptr<Backend> openOnnxRuntime(
    std::filesystem::path const& path, SessionOptions const& options);

//! Throws InputError: the engine is not for this TensorRT or GPU, or damaged; MissingError: this
//! build has no TensorRT, or this machine no GPU.
std::unique_ptr<Backend> openTensorRt(
    std::filesystem::path const& path, Manifest const& manifest, SessionOptions const& options);

} // namespace segpp
