//! A node or a tensor that breaks an operator's contract, in one sentence with the offending value.
#pragma once

#include "logging.h"

#include <exception>
#include <stdexcept>

namespace segpp
{

class ContractError : public std::invalid_argument
{
    using std::invalid_argument::invalid_argument;
};

//! Runs `body`; false if it threw, after reporting why. TensorRT's interfaces are all noexcept.
template <typename Body>
bool succeeds(Body&& body) noexcept
{
    try
    {
        body();
        return true;
    }
    catch (std::exception const& failure)
    {
        logError(failure.what());
        return false;
    }
}

} // namespace segpp
