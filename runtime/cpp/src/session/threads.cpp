#include "session/threads.h"

#include "files/check_file.h"

#include <segpp/error.h>

#include <algorithm>
#include <string>

#include <unistd.h>

namespace segpp
{
namespace
{

// More help nobody, and their stacks and start-up alone can bring a machine down.
constexpr long kMOST = 256;
constexpr long kMOST_PER_CPU = 4;

} // namespace

void checkThreads(int threads)
{
    if (threads < 0)
    {
        throw InputError("cannot run on " + std::to_string(threads) + " threads");
    }
    long const cpus = std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));
    long const most = std::min(kMOST, kMOST_PER_CPU * cpus);
    if (threads > most)
    {
        throw InputError(grouped(static_cast<std::uintmax_t>(threads))
                + " threads are too many for " + std::to_string(cpus) + " CPUs",
            {"allowed here: 1 to " + std::to_string(most)});
    }
}

} // namespace segpp
