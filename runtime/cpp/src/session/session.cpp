#include <segpp/session.h>

#include "backends/backend.h"
#include "files/check_file.h"
#include "images/placement.h"
#include "labels/postprocess.h"
#include "images/preprocess.h"
#include "session/signature.h"
#include "session/threads.h"
#include "session/tiles.h"

#include <segpp/error.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace segpp
{
namespace
{

using Clock = std::chrono::steady_clock;

double millisecondsSince(Clock::time_point start)
{
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

//! Ready labels if there are any, else logits; logits where they are asked for.
OutputSpec const& choose(Manifest const& manifest, bool wantsLogits)
{
    auto const& outputs = manifest.outputs;
    auto const find = [&](bool isLabels) {
        return std::find_if(outputs.rbegin(), outputs.rend(),
            [&](OutputSpec const& one) { return one.isLabels == isLabels; });
    };
    auto const preferred = find(!wantsLogits);
    return preferred != outputs.rend() ? *preferred : *find(wantsLogits);
}

std::unique_ptr<Backend> open(
    std::filesystem::path const& path, Manifest const& manifest, SessionOptions const& options)
{
    return manifest.isEngine ? openTensorRt(path, manifest, options)
                             : openOnnxRuntime(path, options);
}

} // namespace

class Session::Implementation
{
public:
    Implementation(std::filesystem::path const& path, SessionOptions const& options)
        : mOverlap(checked(options))
        , mManifest(read(path, options))
        , mOutput(choose(mManifest, mOverlap.has_value()))
        , mBackend(open(path, mManifest, options))
        , mDescription(mBackend->description())
    {
        checkSignature(path, mManifest, *mBackend);
        checkMemory(path, mManifest);
        if (mOverlap && mOutput.isLabels)
        {
            throw InputError(
                path.string() + " gives labels only, and what tiles share is blended as logits", {},
                "export it with --outputs logits or both");
        }
        mBackend->bind(mManifest.input, mOutput);
        mNotes = mBackend->notes();
    }

    Result run(std::vector<ImageView> const& pictures)
    {
        if (pictures.empty())
        {
            throw InputError("there is no image in the batch");
        }
        for (ImageView const& picture : pictures)
        {
            checkPicture(picture, mManifest.input);
        }
        Result result;
        if (mOverlap)
        {
            std::for_each(pictures.begin(), pictures.end(),
                [&](ImageView const& picture) { runTiles(picture, result); });
            return result;
        }
        auto const step = static_cast<std::ptrdiff_t>(mManifest.input.batch());
        for (auto first = pictures.begin(); first != pictures.end();)
        {
            auto const after = first + std::min(step, pictures.end() - first);
            runBatch({first, after}, result);
            first = after;
        }
        return result;
    }

    Manifest const& manifest() const
    {
        return mManifest;
    }
    std::string const& description() const
    {
        return mDescription;
    }
    std::vector<std::string> const& notes() const
    {
        return mNotes;
    }
    std::optional<int> unseen() const
    {
        bool const isCropped = mManifest.input.fit == Fit::kCROP && !mOverlap;
        return isCropped ? std::optional(unseenLabel(mManifest.classes.names.size()))
                         : std::nullopt;
    }

private:
    static std::optional<double> checked(SessionOptions const& options)
    {
        checkThreads(options.threads);
        if (options.overlap)
        {
            checkOverlap(*options.overlap);
            if (options.fit)
            {
                throw InputError("tiles are not fitted, and a fit was asked for", {},
                    "leave one out");
            }
        }
        return options.overlap;
    }

    static Manifest read(std::filesystem::path const& path, SessionOptions const& options)
    {
        checkFile(path, "model");
        Manifest manifest = readManifest(path);
        manifest.input.fit = options.fit.value_or(manifest.input.fit);
        return manifest;
    }

    //! Prepare at most as many pictures as the network takes at once, and run it.
    void infer(std::vector<ImageView> const& pictures, Timing& timing)
    {
        auto start = Clock::now();
        for (int i = 0; i < mManifest.input.batch(); ++i)
        {
            // The batch is fixed in the file; a last, smaller one repeats its last picture.
            std::size_t const index = std::min(static_cast<std::size_t>(i), pictures.size() - 1);
            prepare(pictures[index], mManifest.input, i, mBackend->input());
        }
        timing.preprocessMs += millisecondsSince(start);
        start = Clock::now();
        mBackend->run();
        timing.inferenceMs += millisecondsSince(start);
    }

    void runBatch(std::vector<ImageView> const& pictures, Result& result)
    {
        infer(pictures, result.timing);
        auto const start = Clock::now();
        void const* const raw = mBackend->output();
        if (!mOutput.isLabels)
        {
            checkFinite(raw, mOutput);
        }
        std::size_t const classes = mManifest.classes.names.size();
        for (std::size_t i = 0; i < pictures.size(); ++i)
        {
            result.labels.push_back(labelsFrom(raw, mOutput, static_cast<int>(i),
                pictures[i].height, pictures[i].width, classes, mManifest.input));
        }
        result.timing.postprocessMs += millisecondsSince(start);
    }

    void runTiles(ImageView const& picture, Result& result)
    {
        auto const start = Clock::now();
        Timing spent;
        auto const logitsOfTiles = [&](std::vector<ImageView> const& tiles) {
            infer(tiles, spent);
            checkFinite(mBackend->output(), mOutput);
            std::vector<Logits> all;
            for (std::size_t i = 0; i < tiles.size(); ++i)
            {
                all.push_back(logitsOf(mBackend->output(), mOutput, static_cast<int>(i)));
            }
            return all;
        };
        result.labels.push_back(labelsOfTiles(
            picture, mManifest.input, mOutput.alignCorners, *mOverlap, logitsOfTiles));
        result.timing.preprocessMs += spent.preprocessMs;
        result.timing.inferenceMs += spent.inferenceMs;
        result.timing.postprocessMs
            += millisecondsSince(start) - spent.preprocessMs - spent.inferenceMs;
    }

    std::optional<double> mOverlap;
    Manifest mManifest;
    OutputSpec mOutput;
    std::unique_ptr<Backend> mBackend;
    std::string mDescription;
    std::vector<std::string> mNotes;
};

Session::Session(std::filesystem::path const& path, SessionOptions const& options)
try
    : mImplementation(std::make_unique<Implementation>(path, options))
{
}
catch (Error const&)
{
    throw;
}
catch (std::exception const& failure)
{
    // Of the libraries and of the system, memory that is not there among them.
    throw InputError(path.string() + " cannot be opened", {failure.what()});
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

Result Session::run(std::vector<ImageView> const& pictures)
{
    return mImplementation->run(pictures);
}

Result Session::run(ImageView const& picture)
{
    return mImplementation->run({picture});
}

Manifest const& Session::manifest() const noexcept
{
    return mImplementation->manifest();
}

std::string const& Session::description() const noexcept
{
    return mImplementation->description();
}

std::optional<int> Session::unseen() const
{
    return mImplementation->unseen();
}

std::vector<std::string> const& Session::notes() const noexcept
{
    return mImplementation->notes();
}

} // namespace segpp
