#include "logging.h"

#include <atomic>
#include <cstdio>

namespace segpp
{
namespace
{

std::atomic<nvinfer1::ILoggerFinder*> gFinder{nullptr};

} // namespace

void setFinder(nvinfer1::ILoggerFinder* finder) noexcept
{
    gFinder = finder;
}

void logError(char const* sentence) noexcept
{
    nvinfer1::ILoggerFinder* const finder = gFinder;
    if (nvinfer1::ILogger* const logger = finder ? finder->findLogger() : nullptr)
    {
        logger->log(nvinfer1::ILogger::Severity::kERROR, sentence);
        return;
    }
    std::fprintf(stderr, "segpp: %s\n", sentence);
}

} // namespace segpp
