#include <segpp/error.h>

namespace segpp
{
namespace
{

std::string joined(
    std::string const& problem, std::vector<std::string> const& facts, std::string const& hint)
{
    std::string text = problem;
    for (std::string const& fact : facts)
    {
        text += "\n  " + fact;
    }
    return hint.empty() ? text : text + "\n  hint: " + hint;
}

} // namespace

Error::Error(int exitCode, std::string const& problem, std::vector<std::string> const& facts,
    std::string const& hint)
    : std::runtime_error(joined(problem, facts, hint))
    , mExitCode(exitCode)
{
}

} // namespace segpp
