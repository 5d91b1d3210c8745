//! What segpp's C++ runtime throws: one sentence with the offending value, facts, and a hint.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace segpp
{

//! A failure that the caller can act on; catch it by reference to this class.
//!
//! `what()` is what a program prints behind "error: ": the problem, each fact on a line of its own,
//! and the hint.
class Error : public std::runtime_error
{
public:
    //! problem: one sentence; facts: what was expected and found; hint: the next thing to try.
    Error(int exitCode, std::string const& problem, std::vector<std::string> const& facts = {},
        std::string const& hint = {});

    //! 1 a check failed, 2 wrong input, 3 something is missing; as segpp's commands exit.
    int exitCode() const noexcept
    {
        return mExitCode;
    }

private:
    int mExitCode;
};

//! Something was measured and fell short: logits that are infinite or not a number.
class CheckError : public Error
{
public:
    explicit CheckError(std::string const& problem, std::vector<std::string> const& facts = {},
        std::string const& hint = {})
        : Error(1, problem, facts, hint)
    {
    }
};

//! The caller's arguments or files cannot be used.
class InputError : public Error
{
public:
    explicit InputError(std::string const& problem, std::vector<std::string> const& facts = {},
        std::string const& hint = {})
        : Error(2, problem, facts, hint)
    {
    }
};

//! A library, a GPU or a camera that the request needs is not here.
class MissingError : public Error
{
public:
    explicit MissingError(std::string const& problem, std::vector<std::string> const& facts = {},
        std::string const& hint = {})
        : Error(3, problem, facts, hint)
    {
    }
};

} // namespace segpp
