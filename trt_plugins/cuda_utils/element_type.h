//! The types of tokens and logits that every kernel takes. Accumulation is FP32 in all of them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace segpp
{

enum class ElementType : std::int32_t
{
    kFloat32 = 0,
    kFloat16 = 1,
    kBFloat16 = 2,
};

constexpr std::size_t elementBytes(ElementType type) noexcept
{
    return type == ElementType::kFloat32 ? 4 : 2;
}

} // namespace segpp
