//! Shared memory: static arrays, and one dynamic buffer per block of exactly the bytes asked for.
//!
//! Static arrays are guarded or poisoned, whichever the build can. Under AddressSanitizer each is a
//! static variable, with red zones around it. Otherwise they are thread-local, which puts them all
//! in one segment that is filled with 0xff (NaN, -1) when a block starts; there is one thread.
#pragma once

#include "threads/block.h"

#include <cstdint>

#include <link.h>

#if defined(__SANITIZE_ADDRESS__)
#define __shared__ static
#else
#define __shared__ static thread_local
#endif

//! Its address tells which library this is.
extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;

namespace cpu_emulation
{

//! Bytes in a row; empty when start is null.
struct Range
{
    unsigned char* start{nullptr};
    std::size_t bytes{0};

    bool holds(void const* address, std::size_t count) const noexcept
    {
        auto const* first = static_cast<unsigned char const*>(address);
        return start && first >= start && first + count <= start + bytes;
    }
};

inline Range dynamicShared{};

//! The segments of this library that static arrays may be in.
struct Segments
{
    Range writable{};
    Range threadLocal{};
};

inline int findSegments(dl_phdr_info* library, std::size_t, void* out) noexcept
{
    Segments found;
    for (int i = 0; i < library->dlpi_phnum; ++i)
    {
        auto const& header = library->dlpi_phdr[i];
        auto* start = reinterpret_cast<unsigned char*>(library->dlpi_addr + header.p_vaddr);
        if (header.p_type == PT_LOAD && (header.p_flags & PF_W))
        {
            found.writable = {start, header.p_memsz};
        }
        if (header.p_type == PT_TLS)
        {
            found.threadLocal
                = {static_cast<unsigned char*>(library->dlpi_tls_data), header.p_memsz};
        }
    }
    if (!found.writable.holds(&__dso_handle, 1))
    {
        return 0;
    }
    *static_cast<Segments*>(out) = found;
    return 1;
}

#if !defined(__SANITIZE_ADDRESS__)
//! The segment comes into being when somebody touches a variable in it.
static thread_local unsigned char volatile firstInSegment;
#endif

inline Segments ownSegments() noexcept
{
#if !defined(__SANITIZE_ADDRESS__)
    firstInSegment = 0;
#endif
    Segments segments;
    dl_iterate_phdr(findSegments, &segments);
    return segments;
}

inline Segments segments{};

//! A block finds nothing in its shared memory that it can use.
inline void poisonShared() noexcept
{
    for (Range const& range : {dynamicShared, segments.threadLocal})
    {
        if (range.start)
        {
            std::memset(range.start, 0xff, range.bytes);
        }
    }
}

inline bool isShared(void const* address, std::size_t bytes) noexcept
{
    return dynamicShared.holds(address, bytes) || segments.threadLocal.holds(address, bytes)
#if defined(__SANITIZE_ADDRESS__)
        || segments.writable.holds(address, bytes)
#endif
        ;
}

} // namespace cpu_emulation
