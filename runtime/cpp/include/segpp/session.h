//! A network ready to run: pictures in, class numbers out, equal to segpp's Python session.
#pragma once

#include <segpp/image.h>
#include <segpp/labels.h>
#include <segpp/manifest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace segpp
{

struct SessionOptions
{
    //! CPU threads of ONNX Runtime, up to four a CPU and 256; 0 leaves it the choice.
    int threads{0};
    //! Let idle threads spin between calls: fastest back to back, but it keeps cores busy beside a
    //! camera.
    bool spinning{true};
    //! libsegpp_plugins.so, loaded before an engine that calls it; by default what SEGPP_PLUGINS
    //! names, if set.
    std::filesystem::path plugins{};
    //! Capture the engine's work into a CUDA graph; where that fails it runs without, and
    //! `Session::notes` says why.
    bool cudaGraph{true};
    //! Instead of the manifest's.
    std::optional<Fit> fit{};
    //! Cut pictures into tiles of the input's size that share so much of a side, 0 to 0.9.
    std::optional<double> overlap{};
};

//! Wall time of one call, in milliseconds.
struct Timing
{
    double preprocessMs{0.0};
    double inferenceMs{0.0};
    double postprocessMs{0.0};
};

struct Result
{
    //! One for each picture, of its size.
    std::vector<Labels> labels;
    Timing timing;
};

//! A loaded network. Not for two threads at once; several sessions are independent.
class Session
{
public:
    //! Load an ONNX file or an engine with the manifest beside it.
    //!
    //! Throws InputError: a file is missing, damaged, or not what the manifest says.
    //! Throws MissingError: this build, or this machine, lacks what the file needs.
    explicit Session(std::filesystem::path const& path, SessionOptions const& options = {});
    ~Session();
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;

    //! Segment any number of pictures of any sizes, RGB (height, width, channels of the input).
    //!
    //! Throws InputError: a picture is empty or has another number of channels.
    //! Throws CheckError: the network gave infinities or not-a-numbers.
    Result run(std::vector<ImageView> const& pictures);

    //! Segment one picture.
    Result run(ImageView const& picture);

    Manifest const& manifest() const noexcept;

    //! The library, its version and the device, in words.
    std::string const& description() const noexcept;

    //! The label of what a crop leaves out, -1 from 256 classes on; none where there is no crop.
    std::optional<int> unseen() const;

    //! What the file or this machine gave reason to say, a sentence each.
    std::vector<std::string> const& notes() const noexcept;

private:
    class Implementation;
    std::unique_ptr<Implementation> mImplementation;
};

} // namespace segpp
