#include "files/check_file.h"

#include <segpp/error.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace segpp
{
namespace
{

std::string problemOf(std::filesystem::path const& path, std::vector<std::string>& facts)
{
    std::error_code failure;
    auto const status = std::filesystem::status(path, failure);
    if (!std::filesystem::exists(status))
    {
        return "does not exist";
    }
    if (std::filesystem::is_directory(status))
    {
        return "is a folder";
    }
    // A pipe may never begin and a device never end.
    if (!std::filesystem::is_regular_file(status))
    {
        return "is a device or a pipe";
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file)
    {
        facts.emplace_back(std::strerror(errno));
        return "cannot be read";
    }
    return file.peek() == std::ifstream::traits_type::eof() ? "is empty" : "";
}

} // namespace

void checkFile(std::filesystem::path const& path, std::string const& kind)
{
    std::vector<std::string> facts;
    if (std::string const problem = problemOf(path, facts); !problem.empty())
    {
        throw InputError(kind + " " + path.string() + " " + problem, facts);
    }
}

std::vector<std::uint8_t> bytesOf(
    std::filesystem::path const& path, std::string const& kind, std::uintmax_t most)
{
    checkFile(path, kind);
    std::uintmax_t const size = std::filesystem::file_size(path);
    if (size > most)
    {
        throw InputError(
            path.string() + " is " + grouped(size) + " bytes, too large for a " + kind);
    }
    std::vector<std::uint8_t> bytes(size);
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
    if (static_cast<std::uintmax_t>(file.gcount()) != size)
    {
        throw InputError(kind + " " + path.string() + " cannot be read");
    }
    return bytes;
}

std::string grouped(std::uintmax_t number)
{
    std::string text = std::to_string(number);
    for (std::size_t place = text.size(); place > 3;)
    {
        place -= 3;
        text.insert(place, ",");
    }
    return text;
}

} // namespace segpp
