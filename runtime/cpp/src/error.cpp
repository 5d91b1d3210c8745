#include <segpp/error.h>

namespace segpp
{
namespace
{

//! Line feeds of a file's name made visible: a line is one thing that is said.
std::string inOneLine(std::string const& text)
{
    std::string line;
    for (char const sign : text)
    {
        line += sign == '\n' ? "\\x0a" : std::string(1, sign);
    }
    return line;
}

std::string joined(
    std::string const& problem, std::vector<std::string> const& facts, std::string const& hint)
{
    std::string text = inOneLine(problem);
    for (std::string const& fact : facts)
    {
        text += "\n  " + inOneLine(fact);
    }
    return hint.empty() ? text : text + "\n  hint: " + inOneLine(hint);
}

} // namespace

Error::Error(int exitCode, std::string const& problem, std::vector<std::string> const& facts,
    std::string const& hint)
    : std::runtime_error(joined(problem, facts, hint))
    , mExitCode(exitCode)
{
}

} // namespace segpp
