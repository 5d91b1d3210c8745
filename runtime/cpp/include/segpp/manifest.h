//! The JSON beside every file of segpp, as far as running the file takes it.
//!
//! The schema is that of src/segpp/manifest/schema.py; a test holds this reader to it, key by key.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace segpp
{

//! The file that a manifest belongs to.
struct FileInfo
{
    std::string name;
    std::string sha256;
    std::int64_t bytes{0};
};

//! Names and colours (red, green, blue) of the classes, by class number.
struct Classes
{
    std::vector<std::string> names;
    std::vector<std::array<std::uint8_t, 3>> palette;
};

enum class Layout
{
    kNCHW,
    kNHWC
};

//! Pillow's filters, which average where they shrink; nearest takes one pixel.
enum class Filter
{
    kBILINEAR,
    kBICUBIC,
    kNEAREST
};

//! How a picture of any shape fills the input: both sides resized for themselves; kept in shape and
//! padded to the right or below; kept in shape and cut at both ends.
enum class Fit
{
    kSTRETCH,
    kLETTERBOX,
    kCROP
};

//! How a picture becomes the input tensor.
struct InputSpec
{
    std::string name;
    //! (B, C, H, W) or (B, H, W, C).
    std::vector<std::int64_t> shape;
    //! float32, float16 or uint8.
    std::string dtype;
    Layout layout{Layout::kNCHW};
    bool isBgr{false};
    //! Per channel of the tensor, on the 0-255 scale.
    std::vector<double> mean;
    std::vector<double> std;
    Filter filter{Filter::kBILINEAR};
    Fit fit{Fit::kSTRETCH};
    //! Beside a letterboxed picture; the rounded mean if empty.
    std::vector<std::uint8_t> padding;
    //! Of picture files of more than 8 bits: max, auto or the value that is white; max if empty.
    std::string white;
    //! The channels of picture files that are taken, counted from 1; all if empty.
    std::vector<std::int64_t> bands;

    int batch() const
    {
        return static_cast<int>(shape[0]);
    }
    int channels() const
    {
        return static_cast<int>(layout == Layout::kNCHW ? shape[1] : shape[3]);
    }
    int height() const
    {
        return static_cast<int>(layout == Layout::kNCHW ? shape[2] : shape[1]);
    }
    int width() const
    {
        return static_cast<int>(layout == Layout::kNCHW ? shape[3] : shape[2]);
    }
};

//! What comes out: logits (B, K, h, w) or (B, h, w, K), or labels (B, h, w).
struct OutputSpec
{
    std::string name;
    bool isLabels{false};
    std::vector<std::int64_t> shape;
    std::string dtype;
    bool alignCorners{false};
    Layout layout{Layout::kNCHW};

    //! K of logits, 1 of labels.
    std::int64_t channels() const;
};

//! The plugin library that an engine was built with, and must be run with.
struct PluginInfo
{
    std::string name;
    std::string sha256;
    //! Of segpp.
    std::string version;
    //! The version of TensorRT that it was built for.
    std::string tensorrt;
    //! Whether the engine holds it.
    bool isEmbedded{false};
};

//! What an engine was built with and for.
struct EngineInfo
{
    std::string library;
    std::string version;
    std::vector<std::string> computeCapabilities;
    std::optional<PluginInfo> plugins{};
    //! Later versions of TensorRT run it too.
    bool isVersionCompatible{false};

    //! Whether it holds code for the CPU, which TensorRT has to be allowed to run.
    bool carriesHostCode() const
    {
        return isVersionCompatible || (plugins && plugins->isEmbedded);
    }
};

//! One file, as its manifest tells.
struct Manifest
{
    bool isEngine{false};
    std::string segpp;
    FileInfo file;
    Classes classes;
    InputSpec input;
    std::vector<OutputSpec> outputs;
    std::string precision;
    std::optional<EngineInfo> engine;
    std::map<std::string, std::string> options;
};

//! Read the manifest beside `path` (`x.onnx` has `x.onnx.json`) and compare the file with it.
//!
//! Throws InputError: it is missing, damaged, of another schema, contradicts itself, or is about
//! another file.
Manifest readManifest(std::filesystem::path const& path);

} // namespace segpp
