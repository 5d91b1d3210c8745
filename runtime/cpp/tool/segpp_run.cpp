//! segpp_run MODEL IMAGE|CAMERA: the runtime from the command line, and an example of its use.

#include "arguments.h"
#include "report.h"

#include <segpp/camera.h>
#include <segpp/error.h>
#include <segpp/picture.h>
#include <segpp/session.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <optional>

namespace
{

using Clock = std::chrono::steady_clock;

constexpr int kINTERRUPTED = 130;

volatile std::sig_atomic_t gIsInterrupted = 0;

double millisecondsSince(Clock::time_point start)
{
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

//! Frames from where they come from: a picture is the same every time.
class Source
{
public:
    explicit Source(segpp::Arguments const& arguments)
    {
        // A camera that is not there is a device too.
        bool const isDevice = arguments.source.string().rfind("/dev/", 0) == 0;
        if (isDevice || std::filesystem::is_character_file(arguments.source))
        {
            mCamera.emplace(arguments.source, arguments.width, arguments.height);
        }
        else
        {
            mPicture = segpp::loadPicture(arguments.source, segpp::InputSpec{}, &mNote);
        }
    }

    //! Read the picture once more, where the network says how its numbers are meant.
    void readFor(segpp::InputSpec const& spec, std::filesystem::path const& path)
    {
        if (!mCamera && !(spec.white.empty() && spec.bands.empty()))
        {
            mNote.clear();
            mPicture = segpp::loadPicture(path, spec, &mNote);
        }
    }

    segpp::Image read()
    {
        return mCamera ? mCamera->read() : mPicture;
    }

    //! What is to be said of the picture; empty for nothing.
    std::string const& note() const
    {
        return mNote;
    }

    bool isCamera() const
    {
        return mCamera.has_value();
    }

    std::string describe(segpp::Arguments const& arguments) const
    {
        return mCamera ? mCamera->description() : arguments.source.string();
    }

private:
    std::optional<segpp::Camera> mCamera;
    segpp::Image mPicture;
    std::string mNote;
};

//! Where each goes; empty for what nobody asked for.
struct Outputs
{
    std::filesystem::path mask;
    std::filesystem::path overlay;
};

Outputs namesOf(segpp::Arguments const& arguments)
{
    std::filesystem::path const& out = arguments.out;
    std::string const name = arguments.source.stem().string();
    auto const place = [&](bool isWanted, std::string const& kind) {
        std::filesystem::path const named
            = arguments.isFile ? out : out / (name + "." + kind + ".png");
        return isWanted ? named : std::filesystem::path();
    };
    return {place(arguments.mask, "mask"), place(arguments.overlay, "overlay")};
}

void makeFolder(std::filesystem::path const& folder)
{
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    if (!folder.empty() && !std::filesystem::is_directory(folder))
    {
        throw segpp::InputError("cannot make the folder " + folder.string(), {failure.message()});
    }
}

//! Where both go, found writable before the network is loaded.
Outputs outputsOf(segpp::Arguments const& arguments)
{
    Outputs outputs = namesOf(arguments);
    for (std::filesystem::path const& path : {outputs.mask, outputs.overlay})
    {
        if (!path.empty())
        {
            makeFolder(path.parent_path());
            segpp::checkOutput(path, {arguments.model, arguments.source}, arguments.force);
        }
    }
    return outputs;
}

//! Segment frame after frame; return the last one.
segpp::Image runAll(segpp::Arguments const& arguments, segpp::Session& session, Source& source,
    segpp::Report& report)
{
    int const wanted = source.isCamera() ? arguments.frames : std::max(1, arguments.repeat);
    if (arguments.repeat > 0)
    {
        session.run(source.read());
    }
    segpp::Image frame;
    auto const begin = Clock::now();
    for (int i = 0; (wanted == 0 || i < wanted) && gIsInterrupted == 0; ++i)
    {
        auto const start = Clock::now();
        frame = source.read();
        segpp::FrameTimes times;
        times.readMs = millisecondsSince(start);
        segpp::Result result = session.run(frame);
        times.session = result.timing;
        report.labels = std::move(result.labels.front());
        report.frames.push_back(times);
    }
    report.seconds = millisecondsSince(begin) / 1000.0;
    return frame;
}

int run(segpp::Arguments const& arguments)
{
    // 1. Find out all that can be found out before the long work.
    Outputs const outputs = outputsOf(arguments);
    auto const start = Clock::now();
    Source source(arguments);
    double const readMs = millisecondsSince(start);
    segpp::Session session(arguments.model, arguments.session);
    source.readFor(session.manifest().input, arguments.source);
    if (!source.note().empty())
    {
        std::cerr << "warning: " << source.note() << '\n';
    }
    for (std::string const& note : session.notes())
    {
        std::cerr << "note: " << note << '\n';
    }
    // 2. Run. Ctrl-C ends the loop, and what is done is written.
    segpp::Report report{arguments.model.string(), source.describe(arguments),
        session.description(), {}, 0.0, 0.0, {}, {}};
    if (source.isCamera())
    {
        std::signal(SIGINT, [](int) { gIsInterrupted = 1; });
    }
    segpp::Image const frame = runAll(arguments, session, source, report);
    if (report.frames.empty())
    {
        return kINTERRUPTED;
    }
    for (segpp::FrameTimes& times : report.frames)
    {
        // A picture is read once, however often it is run.
        times.readMs = source.isCamera() ? times.readMs : readMs;
    }
    // 3. Write the last frame.
    auto const writing = Clock::now();
    segpp::Classes const& classes = session.manifest().classes;
    if (!outputs.mask.empty())
    {
        segpp::writeMask(outputs.mask, report.labels, classes);
        report.written.push_back(outputs.mask);
    }
    if (!outputs.overlay.empty() && frame.channels == 3)
    {
        segpp::writePicture(
            outputs.overlay, segpp::paintOver(frame, report.labels, classes, arguments.alpha));
        report.written.push_back(outputs.overlay);
    }
    report.writeMs = millisecondsSince(writing);
    std::cout << segpp::render(report, classes, arguments.json) << std::flush;
    return std::cout ? 0 : 2;
}

} // namespace

int main(int count, char** words)
{
    try
    {
        segpp::Arguments const arguments = segpp::parse({words + 1, words + count});
        if (arguments.help)
        {
            std::cout << segpp::kHELP;
            return 0;
        }
        return run(arguments);
    }
    catch (segpp::Error const& failure)
    {
        std::cerr << "error: " << failure.what() << '\n';
        return failure.exitCode();
    }
    catch (std::bad_alloc const&)
    {
        std::cerr << "error: there is not enough memory\n";
        return 2;
    }
    catch (std::exception const& failure)
    {
        std::cerr << "error: " << failure.what() << '\n';
        return 2;
    }
}
