//! The decode head under a name that ctypes finds. Maps move by ``offset`` bytes first, because
//! every array arrives well aligned.
#include "decode_head/decode_head.h"

#include <cstdint>

namespace
{

std::int32_t narrow(std::int64_t value)
{
    return static_cast<std::int32_t>(value);
}

void const* moved(void const* pointer, std::int64_t offset)
{
    return static_cast<char const*>(pointer) + offset;
}

} // namespace

extern "C" int head(void const* first, void const* second, void const* third, void const* fourth,
    void const* weight, void const* bias, void* logits, std::int64_t type, std::int64_t batch,
    std::int64_t channels, std::int64_t classes, std::int64_t h0, std::int64_t w0, std::int64_t h1,
    std::int64_t w1, std::int64_t h2, std::int64_t w2, std::int64_t h3, std::int64_t w3,
    std::int64_t alignCorners, std::int64_t offset)
{
    segpp::DecodeHeadShape const shape{narrow(batch), narrow(channels), narrow(classes),
        {narrow(h0), narrow(h1), narrow(h2), narrow(h3)},
        {narrow(w0), narrow(w1), narrow(w2), narrow(w3)}, alignCorners != 0};
    segpp::DecodeHeadInputs const inputs{{moved(first, offset), moved(second, offset),
                                             moved(third, offset), moved(fourth, offset)},
        moved(weight, offset), moved(bias, offset)};
    return segpp::decodeHead(shape, static_cast<segpp::ElementType>(type), inputs,
        static_cast<char*>(logits) + offset, nullptr);
}
