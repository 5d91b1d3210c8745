//! How fast the kernels are on the GPU at hand, beside what its memory can do.
//!
//!     kernels_benchmark [--json]
//!
//! Prints for every kernel and size: the time of a launch inside a CUDA graph (median of 21 replays
//! of 48 launches), with inputs that take turns and do not fit into the second-level cache (cold),
//! and with one input (warm); bytes and operations over the cold time; and the share of two
//! ceilings, a copy of as many bytes in a graph like it and a copy of a gigabyte.
//! Exits with 3 where there is no GPU, and with 1 if two runs of a kernel differ in a bit.
#include "data.h"
#include "timing.h"

#include "resize_argmax/resize_argmax.h"
#include "token_match/token_match.h"
#include "token_merge/token_merge.h"
#include "token_unmerge/token_unmerge.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace
{

using namespace segpp;
using namespace segpp::benchmark;

constexpr std::size_t kHalf = 2;
constexpr ElementType kType = ElementType::kFloat16;

//! One kernel at one size: inputs, output and scratch memory lie in a set, the sets in one buffer.
struct Subject
{
    std::string kernel;
    std::string size;
    std::size_t bytes;  // read and written at least
    double flop;
    std::size_t setBytes;
    std::size_t outputPlace;
    std::size_t outputBytes;
    std::function<void(Buffer const&, std::size_t place, int set)> fill;
    std::function<cudaError_t(char* set, cudaStream_t)> launch;
};

struct Site
{
    char const* name;
    std::int32_t height, width, channels;

    std::int32_t tokens() const
    {
        return height * width;
    }
};

// Stages of B5 with queries merged by `hq`: four by four cells, 0.8 of the tokens merge.
constexpr Site kSites[] = {{"512x1024 stage 3", 32, 64, 320}, {"1024x2048 stage 3", 64, 128, 320},
    {"1024x2048 stage 4", 32, 64, 512}};

std::size_t padded(std::size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

TokenMatchShape matchShape(Site const& site, std::int32_t batch, std::int32_t window)
{
    return {batch, site.channels, site.height, site.width, 4, 4, site.tokens() * 4 / 5, window};
}

Subject match(Site const& site, std::int32_t batch, std::int32_t window)
{
    TokenMatchShape const shape = matchShape(site, batch, window);
    std::size_t const count = std::size_t{1} * batch * site.tokens() * site.channels;
    std::size_t const slotPlace = padded(count * kHalf);
    std::size_t const slotBytes = std::size_t{4} * batch * site.tokens();
    std::size_t const scratchPlace = slotPlace + padded(slotBytes);
    double const destinations = window ? 9.0 : site.tokens() / 16.0;
    check(tokenMatchPrepare(shape, kType), "tokenMatchPrepare");
    return {window ? "match, window 1" : "match", site.name, count * kHalf + slotBytes,
        2.0 * batch * (site.tokens() * 15.0 / 16.0) * destinations * site.channels,
        scratchPlace + padded(tokenMatchWorkspaceSize(shape, kType)), slotPlace, slotBytes,
        [=](Buffer const& memory, std::size_t place, int set) {
            fillTokens(memory, place, count, static_cast<std::uint32_t>(set));
        },
        [=](char* set, cudaStream_t stream) {
            return tokenMatch(shape, kType, set, reinterpret_cast<std::int32_t*>(set + slotPlace),
                set + scratchPlace, stream);
        }};
}

//! Merge, or unmerge: the slots are what match gives for random tokens.
Subject gather(Site const& site, std::int32_t batch, bool merging)
{
    TokenMatchShape const match = matchShape(site, batch, 0);
    std::int32_t const slots = site.tokens() - match.merged;
    std::int32_t const destinations = site.tokens() / 16;
    TokenMergeShape const shape{
        batch, site.tokens(), site.channels, slots, slots - destinations};
    std::size_t const longBytes = std::size_t{1} * batch * site.tokens() * site.channels * kHalf;
    std::size_t const shortBytes = std::size_t{1} * batch * slots * site.channels * kHalf;
    std::size_t const slotBytes = std::size_t{4} * batch * site.tokens();
    std::size_t const shortPlace = padded(longBytes);
    std::size_t const slotPlace = shortPlace + padded(shortBytes);
    return {merging ? "merge" : "unmerge", site.name, longBytes + shortBytes + slotBytes, 0.0,
        slotPlace + padded(slotBytes), merging ? shortPlace : 0, merging ? shortBytes : longBytes,
        [=](Buffer const& memory, std::size_t place, int set) {
            auto const seed = static_cast<std::uint32_t>(set);
            fillTokens(memory, place, longBytes / kHalf, seed);
            fillTokens(memory, place + shortPlace, shortBytes / kHalf, seed + 99);
            Buffer const scratch(tokenMatchWorkspaceSize(match, kType));
            check(tokenMatchPrepare(match, kType), "tokenMatchPrepare");
            check(tokenMatch(match, kType, memory.at(place),
                      memory.at<std::int32_t>(place + slotPlace), scratch.at(), nullptr),
                "tokenMatch");
            check(cudaDeviceSynchronize(), "match for slots");
        },
        [=](char* set, cudaStream_t stream) {
            auto const* slot = reinterpret_cast<std::int32_t const*>(set + slotPlace);
            if (merging)
            {
                return tokenMerge(shape, kType, set, slot, set + shortPlace, nullptr, stream);
            }
            TokenUnmergeShape const back{batch, site.tokens(), site.channels, slots};
            return tokenUnmerge(back, kType, set + shortPlace, slot, set, stream);
        }};
}

Subject labels(std::int32_t classes, std::int32_t height, std::int32_t width, bool smooth)
{
    ResizeArgmaxShape const shape{1, classes, height, width, 4 * height, 4 * width};
    std::size_t const logits = std::size_t{1} * classes * height * width * kHalf;
    std::size_t const pixel = classes <= 127 ? 1 : 4;
    std::size_t const pixels = std::size_t{16} * height * width * pixel;
    std::string const size = std::to_string(classes) + "x" + std::to_string(height) + "x"
        + std::to_string(width) + (smooth ? " smooth" : " noise");
    return {"resize-argmax", size, logits + pixels, 0.0, padded(logits) + padded(pixels),
        padded(logits), pixels,
        [=](Buffer const& memory, std::size_t place, int set) {
            fillLogits(memory, place, classes, height, width, smooth,
                static_cast<std::uint32_t>(set));
        },
        [=](char* set, cudaStream_t stream) {
            return resizeArgmax(shape, kType, set, set + padded(logits), stream);
        }};
}

//! Whether two runs leave the same bits.
bool isRepeatable(Subject const& subject, Buffer const& memory)
{
    std::vector<char> outputs[2];
    for (std::vector<char>& output : outputs)
    {
        output.resize(subject.outputBytes);
        check(cudaMemset(memory.at(subject.outputPlace), 0xff, subject.outputBytes), "poison");
        check(subject.launch(memory.at<char>(), nullptr), subject.kernel.c_str());
        check(cudaMemcpy(output.data(), memory.at(subject.outputPlace), subject.outputBytes,
                  cudaMemcpyDeviceToHost),
            subject.kernel.c_str());
    }
    return outputs[0] == outputs[1];
}

bool measure(Subject const& subject, std::int32_t batch, double largeCopy, bool json)
{
    int const sets = coldSets(subject.setBytes);
    Buffer const memory(subject.setBytes * sets);
    for (int set = 0; set < sets; ++set)
    {
        subject.fill(memory, subject.setBytes * set, set);
    }
    Launch const launch = [&](int set, cudaStream_t stream) {
        return subject.launch(memory.at<char>(subject.setBytes * set), stream);
    };
    bool const repeatable = isRepeatable(subject, memory);
    double const cold = microseconds(launch, sets);
    double const warm = microseconds(launch, 1);
    double const copy = microsecondsOfCopy(subject.bytes, coldSets(subject.bytes));
    double const gigabytes = 1e-3 * static_cast<double>(subject.bytes) / cold;
    char const* const form = json
        ? "{\"kernel\": \"%s\", \"size\": \"%s\", \"batch\": %d, \"cold_us\": %.2f, "
          "\"warm_us\": %.2f, \"gb_per_s\": %.1f, \"gflop_per_s\": %.1f, "
          "\"of_copy_of_same_size\": %.3f, \"of_large_copy\": %.3f, \"repeatable\": %s}\n"
        : "%-16s %-22s %5d %9.2f %9.2f %9.1f %10.1f %9.3f %9.3f  %s\n";
    std::printf(form, subject.kernel.c_str(), subject.size.c_str(), batch, cold, warm, gigabytes,
        1e-3 * subject.flop / cold, copy / cold, gigabytes / largeCopy,
        repeatable ? "true" : "false");
    return repeatable;
}

void printDevice(double largeCopy, bool json)
{
    int device = 0;
    int runtime = 0;
    int driver = 0;
    cudaDeviceProp properties{};
    check(cudaGetDevice(&device), "get device");
    check(cudaGetDeviceProperties(&properties, device), "get properties");
    check(cudaRuntimeGetVersion(&runtime), "get version");
    check(cudaDriverGetVersion(&driver), "get version");
    char const* const form = json
        ? "{\"device\": \"%s\", \"sm\": %d, \"multiprocessors\": %d, \"l2_bytes\": %d, "
          "\"runtime\": %d, \"driver\": %d, \"large_copy_gb_per_s\": %.1f}\n"
        : "%s, sm_%d, %d multiprocessors, %d bytes of L2, CUDA %d, driver %d\n"
          "copy of a gigabyte: %.1f GB/s read and written\n";
    std::printf(form, properties.name, 10 * properties.major + properties.minor,
        properties.multiProcessorCount, properties.l2CacheSize, runtime, driver, largeCopy);
}

} // namespace

int main(int count, char** arguments)
{
    bool const json = count == 2 && std::strcmp(arguments[1], "--json") == 0;
    if (count > 1 && !json)
    {
        std::fprintf(stderr, "usage: %s [--json]\n", arguments[0]);
        return 2;
    }
    // Whoever reads a pipe gets every line when it is measured.
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    int devices = 0;
    if (cudaError_t const error = cudaGetDeviceCount(&devices); error != cudaSuccess || !devices)
    {
        std::fprintf(stderr, "error: there is no GPU to measure: %s\n", cudaGetErrorString(error));
        return 3;
    }
    constexpr std::size_t gigabyte = 1000000000;
    double const largeCopy = 1e-3 * gigabyte / microsecondsOfCopy(gigabyte, 1);
    printDevice(largeCopy, json);
    if (!json)
    {
        std::printf("%-16s %-22s %5s %9s %9s %9s %10s %9s %9s  %s\n", "kernel", "size", "batch",
            "cold us", "warm us", "GB/s", "GFLOP/s", "of copy", "of large", "same twice");
    }
    bool good = true;
    for (std::int32_t const batch : {1, 16})
    {
        for (Site const& site : kSites)
        {
            good &= measure(match(site, batch, 0), batch, largeCopy, json);
            good &= measure(match(site, batch, 1), batch, largeCopy, json);
            good &= measure(gather(site, batch, true), batch, largeCopy, json);
            good &= measure(gather(site, batch, false), batch, largeCopy, json);
        }
    }
    for (bool const smooth : {true, false})
    {
        good &= measure(labels(19, 128, 256, smooth), 1, largeCopy, json);
        good &= measure(labels(19, 256, 512, smooth), 1, largeCopy, json);
        good &= measure(labels(150, 128, 128, smooth), 1, largeCopy, json);
    }
    return good ? 0 : 1;
}
