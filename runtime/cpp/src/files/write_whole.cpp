#include "files/write_whole.h"

#include <segpp/error.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace segpp
{
namespace
{

//! Holds back what would end the program while a part of a file is on the disk.
class HeldSignals
{
public:
    HeldSignals()
    {
        sigset_t ending;
        sigemptyset(&ending);
        for (int const signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        {
            sigaddset(&ending, signal);
        }
        pthread_sigmask(SIG_BLOCK, &ending, &mBefore);
    }
    HeldSignals(HeldSignals const&) = delete;
    HeldSignals& operator=(HeldSignals const&) = delete;
    ~HeldSignals()
    {
        pthread_sigmask(SIG_SETMASK, &mBefore, nullptr);
    }

private:
    sigset_t mBefore{};
};

constexpr mode_t kMODE = 0666;

//! Of this process and this call alone.
std::string uniqueName()
{
    static std::atomic<unsigned> calls{0};
    return ".segpp." + std::to_string(::getpid()) + "." + std::to_string(++calls) + ".part";
}

//! A new file beside `path`, removed again unless it is moved into place.
class Part
{
public:
    explicit Part(std::filesystem::path const& path)
        : mName((path.has_parent_path() ? path.parent_path() : ".") / uniqueName())
        , mFile(::open(mName.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMODE))
        , mIsThere(mFile >= 0)
    {
    }
    Part(Part const&) = delete;
    Part& operator=(Part const&) = delete;
    ~Part()
    {
        close();
        if (mIsThere)
        {
            ::unlink(mName.c_str());
        }
    }

    bool write(std::vector<std::uint8_t> const& bytes) const
    {
        std::size_t done = 0;
        while (mFile >= 0 && done < bytes.size())
        {
            ssize_t const count = ::write(mFile, bytes.data() + done, bytes.size() - done);
            if (count < 0 && errno != EINTR)
            {
                return false;
            }
            done += count > 0 ? static_cast<std::size_t>(count) : 0;
        }
        return mFile >= 0 && ::fsync(mFile) == 0;
    }

    bool moveTo(std::filesystem::path const& path)
    {
        close();
        bool const isMoved = std::rename(mName.c_str(), path.c_str()) == 0;
        mIsThere = mIsThere && !isMoved;
        return isMoved;
    }

private:
    void close()
    {
        if (mFile >= 0)
        {
            ::close(mFile);
            mFile = -1;
        }
    }

    std::string mName;
    int mFile;
    bool mIsThere;
};

} // namespace

void writeWhole(std::filesystem::path const& path, std::vector<std::uint8_t> const& bytes)
{
    HeldSignals const held;
    Part part(path);
    if (!part.write(bytes) || !part.moveTo(path))
    {
        throw InputError("cannot write " + path.string(), {std::strerror(errno)});
    }
}

} // namespace segpp
