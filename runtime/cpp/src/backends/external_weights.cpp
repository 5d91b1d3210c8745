#include "backends/external_weights.h"

#include "files/check_file.h"

#include <segpp/error.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

// Only the fields on the way to a tensor are walked, never the weights (onnx.proto3 of ONNX 1.16):
//
//     Model 7 graph, 25 functions        Graph 1 node, 5 initializer, 15 sparse_initializer
//     Function 7 node, 11 attribute      Node 5 attribute
//     Attribute 5 t, 6 g, 10 tensors, 11 graphs, 22 sparse_tensor, 23 sparse_tensors
//     SparseTensor 1 values, 2 indices   Tensor 13 external_data

namespace segpp
{
namespace
{

constexpr std::uintmax_t kMOST_BYTES = std::uintmax_t{2} << 30U;
constexpr int kDEEPEST = 100;
constexpr int kMOST_FIELDS = 4'000'000;

enum class Message
{
    kOTHER,
    kMODEL,
    kGRAPH,
    kFUNCTION,
    kNODE,
    kATTRIBUTE,
    kSPARSE,
    kTENSOR,
    kEXTERNAL
};

struct Way
{
    Message from;
    std::uint64_t field;
    Message to;
};

constexpr std::array<Way, 17> kWAYS{{{Message::kMODEL, 7, Message::kGRAPH},
    {Message::kMODEL, 25, Message::kFUNCTION}, {Message::kGRAPH, 1, Message::kNODE},
    {Message::kGRAPH, 5, Message::kTENSOR}, {Message::kGRAPH, 15, Message::kSPARSE},
    {Message::kFUNCTION, 7, Message::kNODE}, {Message::kFUNCTION, 11, Message::kATTRIBUTE},
    {Message::kNODE, 5, Message::kATTRIBUTE}, {Message::kATTRIBUTE, 5, Message::kTENSOR},
    {Message::kATTRIBUTE, 6, Message::kGRAPH}, {Message::kATTRIBUTE, 10, Message::kTENSOR},
    {Message::kATTRIBUTE, 11, Message::kGRAPH}, {Message::kATTRIBUTE, 22, Message::kSPARSE},
    {Message::kATTRIBUTE, 23, Message::kSPARSE}, {Message::kSPARSE, 1, Message::kTENSOR},
    {Message::kSPARSE, 2, Message::kTENSOR}, {Message::kTENSOR, 13, Message::kEXTERNAL}}};

struct Walk
{
    std::uint8_t const* next;
    int fieldsLeft{kMOST_FIELDS};
    bool hasGraph{false};
    bool isExternal{false};
};

//! Why a file is no ONNX file, in words.
struct Broken
{
    std::string reason;
};

std::uint64_t varint(Walk& walk, std::uint8_t const* end)
{
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7)
    {
        if (walk.next == end)
        {
            throw Broken{"it ends within a number"};
        }
        std::uint8_t const byte = *walk.next++;
        value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
        if ((byte & 0x80U) == 0)
        {
            return value;
        }
    }
    throw Broken{"a number has more than 64 bits"};
}

Message inner(Message from, std::uint64_t field)
{
    for (Way const& way : kWAYS)
    {
        if (way.from == from && way.field == field)
        {
            return way.to;
        }
    }
    return Message::kOTHER;
}

void skip(Walk& walk, std::uint8_t const* end, std::uint64_t bytes)
{
    if (bytes > static_cast<std::uint64_t>(end - walk.next))
    {
        throw Broken{"a part of it reaches beyond its end"};
    }
    walk.next += bytes;
}

void walkMessage(Walk& walk, std::uint8_t const* end, Message message, int depth);

//! Go over what stands behind a key: a number, 4 or 8 bytes, or a message within.
void walkField(Walk& walk, std::uint8_t const* end, Message message, int depth)
{
    std::uint64_t const key = varint(walk, end);
    switch (key & 7U)
    {
    case 0: varint(walk, end); return;
    case 1: skip(walk, end, 8); return;
    case 5: skip(walk, end, 4); return;
    case 2: break;
    default: throw Broken{"a field of a kind that ONNX does not use"};
    }
    std::uint64_t const length = varint(walk, end);
    std::uint8_t const* const start = walk.next;
    skip(walk, end, length);
    Message const found = inner(message, key >> 3U);
    walk.hasGraph |= found == Message::kGRAPH;
    walk.isExternal |= found == Message::kEXTERNAL;
    if (found != Message::kOTHER && found != Message::kEXTERNAL)
    {
        std::uint8_t const* const after = walk.next;
        walk.next = start;
        walkMessage(walk, after, found, depth + 1);
    }
}

void walkMessage(Walk& walk, std::uint8_t const* end, Message message, int depth)
{
    if (depth > kDEEPEST)
    {
        throw Broken{"its graphs are nested deeper than " + std::to_string(kDEEPEST)};
    }
    while (walk.next != end)
    {
        if (--walk.fieldsLeft < 0)
        {
            throw Broken{"it has more than " + grouped(kMOST_FIELDS) + " fields"};
        }
        walkField(walk, end, message, depth);
    }
}

} // namespace

void checkWeightsInside(std::filesystem::path const& path)
{
    std::vector<std::uint8_t> const bytes = bytesOf(path, "model", kMOST_BYTES);
    Walk walk{bytes.data()};
    try
    {
        walkMessage(walk, bytes.data() + bytes.size(), Message::kMODEL, 0);
        if (!walk.hasGraph)
        {
            throw Broken{"it holds no graph"};
        }
    }
    catch (Broken const& broken)
    {
        throw InputError(
            path.string() + " is not an ONNX file, or only part of one", {broken.reason});
    }
    if (walk.isExternal)
    {
        throw InputError(path.string() + " takes weights from another file", {},
            "this runtime takes files that hold their weights, as segpp-export writes them");
    }
}

} // namespace segpp
