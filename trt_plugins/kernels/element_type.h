//! The types that tokens and logits may have.
#pragma once

#include <cstdint>

namespace segpp
{

enum class ElementType : std::int32_t
{
    kFloat32 = 0,
    kFloat16 = 1,
    kBFloat16 = 2,
};

} // namespace segpp
