//! A camera of Video4Linux 2: /dev/video0, frames as YUYV or Motion JPEG.
#pragma once

#include <segpp/image.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace segpp
{

//! An open camera that streams; the stream stops with the object.
class Camera
{
public:
    //! Open a device and start it, as near to `width` x `height` pixels as it can.
    //!
    //! Throws MissingError: there is no such device.
    //! Throws InputError: it is no camera, or gives neither YUYV nor Motion JPEG.
    explicit Camera(std::filesystem::path const& device, int width = 1280, int height = 720);
    ~Camera();
    Camera(Camera&&) noexcept;
    Camera& operator=(Camera&&) noexcept;

    //! The newest frame, RGB; older ones that wait are dropped, so that a slow network lags by one
    //! frame and no more. Frames that arrive damaged are passed over.
    //!
    //! Throws InputError: no frame came for five seconds, or the device is gone.
    Image read();

    //! Driver, size and format in words.
    std::string const& description() const noexcept;

private:
    class Implementation;
    std::unique_ptr<Implementation> mImplementation;
};

//! Return a frame of YUYV (4 bytes for 2 pixels, BT.601 in studio range) as RGB.
//!
//! Throws InputError: `size` bytes are too few for rows of `rowBytes`, or the width is odd.
Image imageFromYuyv(
    std::uint8_t const* bytes, std::size_t size, int height, int width, std::size_t rowBytes);

} // namespace segpp
