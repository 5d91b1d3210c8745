//! What the match kernels pass to each other: the lattice of sources and destinations, and where
//! their intermediate results lie in the workspace.
#pragma once

#include "token_match.h"

#include <cuda_runtime.h>

namespace segpp
{

//! Which tokens are destinations (the top-left one of every complete cell) and which are sources
//! (all others); both are counted in raster order.
struct MatchLattice
{
    int height, width, strideY, strideX;
    int cellsY, cellsX;
    int sources, destinations;

    __host__ __device__ int tokens() const
    {
        return height * width;
    }

    __device__ int destinationToken(int destination) const
    {
        return destination / cellsX * strideY * width + destination % cellsX * strideX;
    }

    //! A band is a row of cells: its first row of tokens holds all of its destinations.
    __device__ int sourceToken(int source) const
    {
        int const perBand = strideY * width - cellsX;
        int const inFirstRow = width - cellsX;
        int const band = perBand ? min(source / perBand, cellsY) : 0;
        int const rest = source - band * perBand;
        int const start = band * strideY * width;
        if (band >= cellsY || rest >= inFirstRow)
        {
            // Below the first row of a band, and below the last band, there are sources only.
            return start + rest + (band < cellsY ? cellsX : 0);
        }
        int const inCells = cellsX * (strideX - 1);
        if (rest >= inCells)
        {
            return start + rest + cellsX;
        }
        return start + rest + rest / (strideX - 1) + 1;
    }
};

inline MatchLattice latticeOf(TokenMatchShape const& shape) noexcept
{
    int const cellsY = shape.height / shape.stride_y;
    int const cellsX = shape.width / shape.stride_x;
    int const destinations = cellsY * cellsX;
    return {shape.height, shape.width, shape.stride_y, shape.stride_x, cellsY, cellsX,
        shape.height * shape.width - destinations, destinations};
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

//! The intermediate results, in the workspace.
struct MatchResults
{
    void* packed;               // (B, D, C): the rows of the destinations
    float* inverseDestination;  // (B, padded D): 1 / length, 0 without length, NaN in the padding
    float* inverseSource;       // (B, S)
    Match* best;                // (splits, B, S): the best destination of each split
    unsigned int* keys;         // (B, S); only where they do not fit into registers
};

} // namespace segpp
