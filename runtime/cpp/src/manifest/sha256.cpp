#include "manifest/sha256.h"

#include <segpp/error.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <vector>

namespace segpp
{
namespace
{

using Words = std::array<std::uint32_t, 8>;

constexpr std::size_t kBLOCK = 64;
constexpr int kROUNDS = 64;
constexpr std::size_t kCHUNK = std::size_t{1} << 20U;

// The first 32 bits of the fractions of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, kROUNDS> kROOTS{0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
    0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
    0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t rotated(std::uint32_t word, unsigned by)
{
    return (word >> by) | (word << (32U - by));
}

std::array<std::uint32_t, kROUNDS> schedule(std::uint8_t const* block)
{
    std::array<std::uint32_t, kROUNDS> words{};
    for (std::size_t i = 0; i < 16; ++i)
    {
        for (std::size_t byte = 0; byte < 4; ++byte)
        {
            words[i] = words[i] << 8U | block[4 * i + byte];
        }
    }
    for (std::size_t i = 16; i < kROUNDS; ++i)
    {
        std::uint32_t const a = words[i - 15];
        std::uint32_t const b = words[i - 2];
        words[i] = words[i - 16] + (rotated(a, 7) ^ rotated(a, 18) ^ (a >> 3U)) + words[i - 7]
            + (rotated(b, 17) ^ rotated(b, 19) ^ (b >> 10U));
    }
    return words;
}

void digest(Words& state, std::uint8_t const* block)
{
    auto const words = schedule(block);
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t i = 0; i < kROUNDS; ++i)
    {
        std::uint32_t const t1 = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25))
            + ((e & f) ^ (~e & g)) + kROOTS[i] + words[i];
        std::uint32_t const t2
            = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    Words const added{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < state.size(); ++i)
    {
        state[i] += added[i];
    }
}

//! What follows the last whole block: the rest, a one, zeros, and the length in bits.
std::vector<std::uint8_t> ending(std::uint8_t const* rest, std::size_t count, std::uint64_t bytes)
{
    std::vector<std::uint8_t> last(rest, rest + count);
    last.push_back(0x80);
    last.resize((count + 9 + kBLOCK - 1) / kBLOCK * kBLOCK);
    for (std::size_t i = 0; i < 8; ++i)
    {
        last[last.size() - 1 - i] = static_cast<std::uint8_t>((bytes * 8) >> (8 * i));
    }
    return last;
}

std::string hexadecimal(Words const& state)
{
    std::string text;
    for (std::uint32_t const word : state)
    {
        for (int shift = 28; shift >= 0; shift -= 4)
        {
            text += "0123456789abcdef"[(word >> static_cast<unsigned>(shift)) & 15U];
        }
    }
    return text;
}

//! Takes bytes in pieces of whole blocks; only the last may end within one.
class Digest
{
public:
    void add(std::uint8_t const* bytes, std::size_t count)
    {
        mTotal += count;
        for (; count >= kBLOCK; bytes += kBLOCK, count -= kBLOCK)
        {
            digest(mState, bytes);
        }
        mRest.assign(bytes, bytes + count);
    }

    std::string finish()
    {
        std::vector<std::uint8_t> const last = ending(mRest.data(), mRest.size(), mTotal);
        for (std::size_t i = 0; i < last.size(); i += kBLOCK)
        {
            digest(mState, last.data() + i);
        }
        return hexadecimal(mState);
    }

private:
    // The first 32 bits of the fractions of the square roots of the first 8 primes.
    Words mState{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
        0x5be0cd19};
    std::uint64_t mTotal{0};
    std::vector<std::uint8_t> mRest;
};

} // namespace

std::string sha256Of(std::uint8_t const* bytes, std::size_t size)
{
    Digest all;
    all.add(bytes, size);
    return all.finish();
}

std::string sha256Of(std::filesystem::path const& path)
{
    std::ifstream file(path, std::ios::binary);
    std::vector<std::uint8_t> chunk(kCHUNK);
    Digest all;
    std::size_t count = 0;
    do
    {
        file.read(reinterpret_cast<char*>(chunk.data()), static_cast<std::streamsize>(kCHUNK));
        count = static_cast<std::size_t>(file.gcount());
        all.add(chunk.data(), count);
    } while (count == kCHUNK);
    if (!file.eof() || file.bad())
    {
        throw InputError("file " + path.string() + " cannot be read");
    }
    return all.finish();
}

} // namespace segpp
