//! ``cp.async``: copies from global to shared memory that their thread sees only after the wait of
//! their group, and other threads only after a barrier behind that.
#pragma once

#include "shared_memory.h"
#include "support/device.h"

namespace cpu_emulation
{

//! Copies ``read`` bytes and zeroes up to ``Bytes``. Until somebody waits for it, the target holds
//! 0xff: whoever reads too early, or still reads what was there before, gets NaN.
template <std::size_t Bytes>
void copyAsync(void* to, void const* from, std::size_t read, Where where)
{
    static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
    if (device.leavesOut80())
    {
        return;
    }
    auto const addresses
        = reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from);
    if (addresses % Bytes)
    {
        refuse("an asynchronous copy is not aligned to its size", where);
    }
    if (!isShared(to, Bytes) || read > Bytes)
    {
        refuse("an asynchronous copy does not end in shared memory, or reads too much", where);
    }
    counts.copiedBytes += read;
    Thread& self = currentThread();
    Copy copy{to, Bytes, {}, self.groups};
    std::memcpy(copy.data, from, read);
    std::memset(to, 0xff, Bytes);
    self.copies.push_back(copy);
}

inline void commitCopies() noexcept
{
    ++currentThread().groups;
}

//! Lets all groups arrive but the ``left`` newest.
inline void waitForCopies(std::size_t left)
{
    Thread& self = currentThread();
    std::size_t arrived = 0;
    for (; arrived < self.copies.size(); ++arrived)
    {
        Copy const& copy = self.copies[arrived];
        if (copy.group + left >= self.groups)
        {
            break;
        }
        std::memcpy(copy.to, copy.data, copy.bytes);
    }
    self.copies.erase(self.copies.begin(), self.copies.begin() + static_cast<long>(arrived));
}

} // namespace cpu_emulation
