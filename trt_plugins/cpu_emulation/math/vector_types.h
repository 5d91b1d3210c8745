//! CUDA's small vectors, aligned as on the device so that UndefinedBehaviorSanitizer sees a
//! misaligned vector load.
#pragma once

#define CPU_EMULATION_VECTORS(type, name, align2, align4)                                          \
    struct name##1 { type x; };                                                                    \
    struct alignas(align2) name##2 { type x, y; };                                                 \
    struct name##3 { type x, y, z; };                                                              \
    struct alignas(align4) name##4 { type x, y, z, w; };                                           \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                               \
    inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                    \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

CPU_EMULATION_VECTORS(signed char, char, 2, 4)
CPU_EMULATION_VECTORS(unsigned char, uchar, 2, 4)
CPU_EMULATION_VECTORS(short, short, 4, 8)
CPU_EMULATION_VECTORS(unsigned short, ushort, 4, 8)
CPU_EMULATION_VECTORS(int, int, 8, 16)
CPU_EMULATION_VECTORS(unsigned int, uint, 8, 16)
CPU_EMULATION_VECTORS(long long, longlong, 16, 16)
CPU_EMULATION_VECTORS(unsigned long long, ulonglong, 16, 16)
CPU_EMULATION_VECTORS(float, float, 8, 16)
CPU_EMULATION_VECTORS(double, double, 16, 16)

#undef CPU_EMULATION_VECTORS

struct dim3
{
    unsigned int x, y, z;

    constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) noexcept
        : x{x_}, y{y_}, z{z_}
    {
    }
};
