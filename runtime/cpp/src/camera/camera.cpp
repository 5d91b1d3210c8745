#include <segpp/camera.h>

#include <segpp/picture.h>

#include <segpp/error.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace segpp
{
namespace
{

// One that the network reads, one that waits, and two for the driver to fill.
constexpr std::uint32_t kBUFFERS = 4;
constexpr int kPATIENCE_MS = 5000;

int call(int file, unsigned long request, void* argument)
{
    int status = 0;
    do
    {
        status = ::ioctl(file, request, argument);
    } while (status < 0 && errno == EINTR);
    return status;
}

//! A file descriptor that is closed with its owner.
class File
{
public:
    explicit File(int number)
        : mNumber(number)
    {
    }
    File(File const&) = delete;
    File& operator=(File const&) = delete;
    ~File()
    {
        if (mNumber >= 0)
        {
            ::close(mNumber);
        }
    }
    int get() const
    {
        return mNumber;
    }

private:
    int mNumber;
};

//! A buffer of the driver in our memory.
class Mapping
{
public:
    Mapping(int file, v4l2_buffer const& buffer)
        : mSize(buffer.length)
        , mStart(::mmap(nullptr, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED, file,
              static_cast<off_t>(buffer.m.offset)))
    {
    }
    Mapping(Mapping&& other) noexcept
        : mSize(other.mSize)
        , mStart(std::exchange(other.mStart, MAP_FAILED))
    {
    }
    Mapping& operator=(Mapping&&) = delete;
    ~Mapping()
    {
        if (mStart != MAP_FAILED)
        {
            ::munmap(mStart, mSize);
        }
    }
    bool isThere() const
    {
        return mStart != MAP_FAILED;
    }
    std::uint8_t const* bytes() const
    {
        return static_cast<std::uint8_t const*>(mStart);
    }
    std::size_t size() const
    {
        return mSize;
    }

private:
    std::size_t mSize;
    void* mStart;
};

int openDevice(std::filesystem::path const& device)
{
    struct stat status{};
    if (::stat(device.c_str(), &status) != 0)
    {
        throw InputError("the camera " + device.string() + " is not there", {std::strerror(errno)},
            "v4l2-ctl --list-devices lists the cameras");
    }
    if (!S_ISCHR(status.st_mode))
    {
        throw InputError(device.string() + " is no camera");
    }
    int const file = ::open(device.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
    {
        throw InputError("camera " + device.string() + " cannot be opened", {std::strerror(errno)});
    }
    return file;
}

v4l2_buffer newBuffer(std::uint32_t index = 0)
{
    v4l2_buffer buffer{};
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    buffer.index = index;
    return buffer;
}

} // namespace

class Camera::Implementation
{
public:
    Implementation(std::filesystem::path const& device, int width, int height)
        : mName(device.string())
        , mFile(openDevice(device))
    {
        checkIsCamera();
        choose(static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height));
        mapBuffers();
        int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        require(call(mFile.get(), VIDIOC_STREAMON, &type), "does not start");
    }
    Implementation(Implementation const&) = delete;
    Implementation& operator=(Implementation const&) = delete;
    ~Implementation()
    {
        int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        call(mFile.get(), VIDIOC_STREAMOFF, &type);
    }

    Image read()
    {
        for (;;)
        {
            v4l2_buffer const newest = takeNewest();
            bool isWhole = (newest.flags & V4L2_BUF_FLAG_ERROR) == 0;
            Image image;
            try
            {
                image = isWhole ? decoded(newest) : Image();
            }
            catch (Error const&)
            {
                // A bad cable costs frames, and is no reason to stop.
                isWhole = false;
            }
            giveBack(newest);
            if (isWhole)
            {
                return image;
            }
        }
    }

    std::string const& description() const
    {
        return mDescription;
    }

private:
    void require(int status, std::string const& problem) const
    {
        if (status < 0)
        {
            throw InputError("camera " + mName + " " + problem, {std::strerror(errno)});
        }
    }

    void checkIsCamera()
    {
        v4l2_capability about{};
        std::uint32_t const needed = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        bool const answers = call(mFile.get(), VIDIOC_QUERYCAP, &about) == 0;
        bool const tellsOwn = (about.capabilities & V4L2_CAP_DEVICE_CAPS) != 0;
        std::uint32_t const can = tellsOwn ? about.device_caps : about.capabilities;
        if (!answers || (can & needed) != needed)
        {
            throw InputError(mName + " is no camera that streams");
        }
        mDescription = reinterpret_cast<char const*>(about.card);
    }

    //! Ask for a size in the formats that we read, the one without losses first.
    void choose(std::uint32_t width, std::uint32_t height)
    {
        for (std::uint32_t const wanted : {V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_MJPEG})
        {
            mFormat = {};
            mFormat.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
            mFormat.fmt.pix.width = width;
            mFormat.fmt.pix.height = height;
            mFormat.fmt.pix.pixelformat = wanted;
            mFormat.fmt.pix.field = V4L2_FIELD_ANY;
            if (call(mFile.get(), VIDIOC_S_FMT, &mFormat) == 0
                && mFormat.fmt.pix.pixelformat == wanted)
            {
                mDescription += ", " + std::to_string(mFormat.fmt.pix.width) + "x"
                    + std::to_string(mFormat.fmt.pix.height)
                    + (wanted == V4L2_PIX_FMT_YUYV ? ", YUYV" : ", Motion JPEG");
                return;
            }
        }
        throw InputError("camera " + mName + " gives neither YUYV nor Motion JPEG");
    }

    void mapBuffers()
    {
        v4l2_requestbuffers wanted{};
        wanted.count = kBUFFERS;
        wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        wanted.memory = V4L2_MEMORY_MMAP;
        require(call(mFile.get(), VIDIOC_REQBUFS, &wanted), "lends no buffers");
        for (std::uint32_t i = 0; i < wanted.count; ++i)
        {
            v4l2_buffer buffer = newBuffer(i);
            require(call(mFile.get(), VIDIOC_QUERYBUF, &buffer), "lends no buffers");
            mBuffers.emplace_back(mFile.get(), buffer);
            require(mBuffers.back().isThere() ? 0 : -1, "lends no memory");
            giveBack(buffer);
        }
    }

    void giveBack(v4l2_buffer buffer)
    {
        require(call(mFile.get(), VIDIOC_QBUF, &buffer), "takes no buffer back");
    }

    //! Wait for a frame, then pass over all that are followed by another.
    v4l2_buffer takeNewest()
    {
        pollfd waiting{mFile.get(), POLLIN, 0};
        int status = 0;
        do
        {
            status = ::poll(&waiting, 1, kPATIENCE_MS);
        } while (status < 0 && errno == EINTR);
        if (status <= 0 || (waiting.revents & POLLIN) == 0)
        {
            throw InputError("camera " + mName + " gave no frame for five seconds");
        }
        v4l2_buffer newest = newBuffer();
        require(call(mFile.get(), VIDIOC_DQBUF, &newest), "gives no frame");
        for (v4l2_buffer next = newBuffer(); call(mFile.get(), VIDIOC_DQBUF, &next) == 0;
             next = newBuffer())
        {
            giveBack(newest);
            newest = next;
        }
        return newest;
    }

    Image decoded(v4l2_buffer const& frame) const
    {
        Mapping const& memory = mBuffers.at(frame.index);
        std::size_t const size = std::min<std::size_t>(frame.bytesused, memory.size());
        v4l2_pix_format const& format = mFormat.fmt.pix;
        if (format.pixelformat == V4L2_PIX_FMT_MJPEG)
        {
            return decodeJpeg(memory.bytes(), size);
        }
        return imageFromYuyv(memory.bytes(), size, static_cast<int>(format.height),
            static_cast<int>(format.width), format.bytesperline);
    }

    std::string mName;
    // Closed after the buffers are unmapped.
    File mFile;
    v4l2_format mFormat{};
    std::vector<Mapping> mBuffers;
    std::string mDescription;
};

Camera::Camera(std::filesystem::path const& device, int width, int height)
    : mImplementation(std::make_unique<Implementation>(device, width, height))
{
}

Camera::~Camera() = default;
Camera::Camera(Camera&&) noexcept = default;
Camera& Camera::operator=(Camera&&) noexcept = default;

Image Camera::read()
{
    return mImplementation->read();
}

std::string const& Camera::description() const noexcept
{
    return mImplementation->description();
}

} // namespace segpp
