//! The insides of the C++ runtime, asked by tests: one command a line, its bytes behind it.
//!
//!     resample HEIGHT WIDTH CHANNELS FILTER LEFT TOP RIGHT BOTTOM ROWS COLUMNS, then the pixels
//!     labels MANIFEST HEIGHT WIDTH BYTES, then the network's output; the manifest is a file's name
//!     picture FILE
//!     upright HEIGHT WIDTH ORIENTATION, then RGB pixels
//!     yuyv HEIGHT WIDTH ROW_BYTES BYTES, then the frame
//!     overlay FILE MANIFEST ALPHA BYTES, then labels of a byte each
//!     halves | floats
//!     sha256 FILE
//!
//! Every answer is a number of bytes on a line, and the bytes; or "error", and the message.

#include "files/decoders.h"
#include "images/half.h"
#include "labels/postprocess.h"
#include "images/resample.h"
#include "manifest/sha256.h"

#include <segpp/camera.h>
#include <segpp/error.h>
#include <segpp/picture.h>

#include <cstring>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

namespace
{

using Bytes = std::vector<std::uint8_t>;

Bytes take(std::size_t count)
{
    Bytes bytes(count);
    std::cin.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(count));
    return bytes;
}

segpp::Image takeImage(int height, int width, int channels)
{
    segpp::Image image(height, width, channels);
    image.pixels = take(image.pixels.size());
    return image;
}

template <typename T>
Bytes asBytes(std::vector<T> const& values)
{
    Bytes bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

//! Height and width, then the pixels.
Bytes withSize(segpp::Image const& image)
{
    Bytes bytes = asBytes(std::vector<std::int32_t>{image.height, image.width});
    bytes.insert(bytes.end(), image.pixels.begin(), image.pixels.end());
    return bytes;
}

Bytes resample(std::istream& in)
{
    int height = 0, width = 0, channels = 0, filter = 0, rows = 0, columns = 0;
    double left = 0, top = 0, right = 0, bottom = 0;
    in >> height >> width >> channels >> filter;
    in >> left >> top >> right >> bottom >> rows >> columns;
    segpp::Image const image = takeImage(height, width, channels);
    segpp::Box const box{static_cast<float>(left), static_cast<float>(top),
        static_cast<float>(right), static_cast<float>(bottom)};
    return segpp::resample(image, box, rows, columns, static_cast<segpp::Filter>(filter)).pixels;
}

Bytes labels(std::istream& in)
{
    std::string file;
    int height = 0, width = 0;
    std::size_t bytes = 0;
    in >> file >> height >> width >> bytes;
    Bytes const raw = take(bytes);
    segpp::Manifest const manifest = segpp::readManifest(file);
    segpp::OutputSpec const& output = manifest.outputs.front();
    if (!output.isLabels)
    {
        segpp::checkFinite(raw.data(), output);
    }
    std::vector<std::int32_t> all;
    for (int i = 0; i < manifest.input.batch(); ++i)
    {
        segpp::Labels const found = segpp::labelsFrom(
            raw.data(), output, i, height, width, manifest.classes.names.size(), manifest.input);
        all.push_back(found.isBytes() ? 1 : 4);
        for (int y = 0; y < height; ++y)
        {
            for (int x = 0; x < width; ++x)
            {
                all.push_back(found.at(y, x));
            }
        }
    }
    return asBytes(all);
}

Bytes picture(std::istream& in)
{
    std::string file;
    std::getline(in >> std::ws, file);
    return withSize(segpp::loadPicture(file));
}

//! As a network takes it: what is white, "-" for nothing, and the bands behind it.
Bytes pictureFor(std::istream& in)
{
    std::string file;
    segpp::InputSpec spec;
    std::size_t count = 0;
    in >> spec.white >> count;
    spec.bands.resize(count);
    for (std::int64_t& band : spec.bands)
    {
        in >> band;
    }
    spec.white = spec.white == "-" ? "" : spec.white;
    spec.shape = {1, 3, 8, 8};
    std::getline(in >> std::ws, file);
    return withSize(segpp::loadPicture(file, spec));
}

Bytes upright(std::istream& in)
{
    int height = 0, width = 0, orientation = 0;
    in >> height >> width >> orientation;
    return withSize(segpp::upright(takeImage(height, width, 3), orientation));
}

Bytes yuyv(std::istream& in)
{
    int height = 0, width = 0;
    std::size_t rowBytes = 0, bytes = 0;
    in >> height >> width >> rowBytes >> bytes;
    Bytes const frame = take(bytes);
    return segpp::imageFromYuyv(frame.data(), frame.size(), height, width, rowBytes).pixels;
}

Bytes overlay(std::istream& in)
{
    std::string file, model;
    double alpha = 0;
    std::size_t bytes = 0;
    in >> file >> model >> alpha >> bytes;
    Bytes const numbers = take(bytes);
    segpp::Image const image = segpp::loadPicture(file);
    segpp::Labels const found{image.height, image.width, numbers};
    return segpp::paintOver(image, found, segpp::readManifest(model).classes, alpha).pixels;
}

//! All halves as floats.
Bytes halves(std::istream&)
{
    std::vector<float> values;
    for (std::uint32_t half = 0; half < 1U << 16U; ++half)
    {
        values.push_back(segpp::floatFromHalf(static_cast<std::uint16_t>(half)));
    }
    return asBytes(values);
}

//! Every 4099th float as half.
Bytes floats(std::istream&)
{
    std::vector<std::uint16_t> values;
    for (std::uint64_t bits = 0; bits < 1ULL << 32U; bits += 4099)
    {
        auto const pattern = static_cast<std::uint32_t>(bits);
        float value = 0;
        std::memcpy(&value, &pattern, sizeof value);
        values.push_back(segpp::halfFromFloat(value));
    }
    return asBytes(values);
}

Bytes sha256(std::istream& in)
{
    std::string file;
    in >> file;
    std::string const text = segpp::sha256Of(std::filesystem::path(file));
    return {text.begin(), text.end()};
}

void answer(std::string const& head, char const* bytes, std::size_t count)
{
    std::cout << head << count << '\n';
    std::cout.write(bytes, static_cast<std::streamsize>(count));
}

} // namespace

int main()
{
    std::map<std::string, Bytes (*)(std::istream&)> const commands{{"resample", resample},
        {"labels", labels}, {"picture", picture}, {"picture-for", pictureFor},
        {"upright", upright}, {"yuyv", yuyv},
        {"overlay", overlay}, {"halves", halves}, {"floats", floats}, {"sha256", sha256}};
    for (std::string line; std::getline(std::cin, line);)
    {
        std::istringstream words(line);
        std::string name;
        words >> name;
        try
        {
            Bytes const bytes = commands.at(name)(words);
            answer("", reinterpret_cast<char const*>(bytes.data()), bytes.size());
        }
        catch (segpp::Error const& failure)
        {
            std::string const text = failure.what();
            answer("error " + std::to_string(failure.exitCode()) + " ", text.data(), text.size());
        }
    }
    return 0;
}
