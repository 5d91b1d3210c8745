//! Whether a network takes and gives what its manifest says.
#pragma once

#include "backends/backend.h"

namespace segpp
{

//! Throw InputError comparing the two if it does not.
void checkSignature(
    std::filesystem::path const& path, Manifest const& manifest, Backend const& backend);

//! Throw InputError for an input and outputs that the free memory does not hold.
void checkMemory(std::filesystem::path const& path, Manifest const& manifest);

} // namespace segpp
