//! What the kernels are told about the device that they run on, and about their own code.
#pragma once

namespace cpu_emulation
{

struct Device
{
    int capability{87};
    int processors{16};
    int code{87};  // the PTX that the code was made of: at most the device's

    //! In older code the instructions of sm_80 are left out, and nothing happens in their place.
    bool leavesOut80() const noexcept
    {
        return code < 80;
    }
};

inline Device device{};

} // namespace cpu_emulation
