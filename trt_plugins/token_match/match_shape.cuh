//! What the match kernels pass to each other: the lattice of sources and destinations, and where
//! their intermediate results lie in the workspace.
#pragma once

#include "token_match.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace segpp
{

//! Division by a number that the host knows, without dividing: a multiplication and a shift.
struct Divisor
{
    unsigned int factor, shift;

    //! The quotient of 0 <= number < 2^30.
    __device__ __forceinline__ int under(int number) const
    {
        return static_cast<int>(__umulhi(2U * static_cast<unsigned int>(number), factor) >> shift);
    }
};

//! For 1 <= divisor < 2^30, with 2^shift >= divisor: the factor is 2^(31 + shift) / divisor,
//! rounded up by less than 1. So a quotient is off by less than 2^30 / 2^(31 + shift), less than
//! 1 / divisor, and never wrong.
inline Divisor divisorOf(int divisor) noexcept
{
    unsigned int shift = 0;
    while (std::int64_t{1} << shift < divisor)
    {
        ++shift;
    }
    std::uint64_t const power = std::uint64_t{1} << (31 + shift);
    auto const wide = static_cast<std::uint64_t>(divisor);
    return {static_cast<unsigned int>((power + wide - 1) / wide), shift};
}

//! Sources are padded to a multiple of this, the words of a 16-byte load.
constexpr int kSourcePadding = 4;

//! Which tokens are destinations (the top-left one of every complete cell) and which are sources
//! (all others); both are counted in raster order.
struct MatchLattice
{
    int height, width, strideY, strideX;
    int cellsY, cellsX;
    int sources, destinations;
    int perBand;    // sources of a band: a row of cells, whose first row of tokens holds all
                    // of its destinations
    int leftSkip;   // destinations before the first source of a band
    Divisor byBand, bySourcesOfCell, byCells;

    __host__ __device__ int tokens() const
    {
        return height * width;
    }

    __host__ __device__ int paddedSources() const
    {
        return (sources + kSourcePadding - 1) / kSourcePadding * kSourcePadding;
    }

    __device__ int destinationToken(int destination) const
    {
        int const y = byCells.under(destination);
        return y * strideY * width + (destination - y * cellsX) * strideX;
    }

    //! Before a source are the other sources, the destinations of the bands above, and those of its
    //! own band: one for every cell begun, all of them behind the last cell.
    __device__ int sourceToken(int source) const
    {
        // Below the last band there are sources only.
        int const band = min(byBand.under(source), cellsY);
        int const inBand = source - band * perBand;
        int const begun = min(bySourcesOfCell.under(inBand) + leftSkip, cellsX);
        return source + band * cellsX + (band < cellsY ? begun : 0);
    }
};

inline MatchLattice latticeOf(TokenMatchShape const& shape) noexcept
{
    int const cellsY = shape.height / shape.stride_y;
    int const cellsX = shape.width / shape.stride_x;
    int const destinations = cellsY * cellsX;
    int const perBand = shape.stride_y * shape.width - cellsX;
    // Cells one token wide have no sources in the first row of a band, but those behind all cells.
    bool const narrow = shape.stride_x == 1;
    return {shape.height, shape.width, shape.stride_y, shape.stride_x, cellsY, cellsX,
        shape.height * shape.width - destinations, destinations, perBand, narrow ? cellsX : 1,
        divisorOf(perBand > 0 ? perBand : 1), divisorOf(narrow ? 1 : shape.stride_x - 1),
        divisorOf(cellsX > 0 ? cellsX : 1)};
}

//! A destination and how well it fits: the dot product with the source, over the length of the
//! destination alone.
struct Match
{
    float value;
    int destination;
};

//! Columns of the largest tile: arrays by destination are padded to a multiple of this.
constexpr int kDestinationPadding = 128;

//! What stands in padding. Whatever is multiplied by it is greater than nothing, and merges last.
__device__ __forceinline__ float noNumber()
{
    return __int_as_float(0x7fffffff);
}

//! The intermediate results, in the workspace.
struct MatchResults
{
    void* packed;               // (B, D, C): the rows of the destinations
    float* inverseDestination;  // (B, padded D): 1 / length, 0 without length, NaN in the padding
    float* inverseSource;       // (B, padded S): 1 / length, 0 without length, NaN in the padding
    float* values;              // (splits, B, padded S): the best match of each split,
    int* destinations;          // (splits, B, padded S): and with which destination
};

} // namespace segpp
