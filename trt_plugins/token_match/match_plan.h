//! How a match is divided into blocks: tile, splits, blocks of the selection. Of the host alone.
#pragma once

#include "match_shape.cuh"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace segpp
{

constexpr int ceilDivide(int a, int b) noexcept
{
    return (a + b - 1) / b;
}

//! Sources x destinations of one block's product.
struct Tile
{
    int rows, columns;
};

constexpr Tile kTall{64, 128};
constexpr Tile kFlat{32, 64};
constexpr Tile kSimple{64, 64};

//! What chips of up to ``processors`` multiprocessors do best.
struct Tiling
{
    int processors;
    //! Tall tiles for every four multiprocessors from which on tiles are tall. A tall tile takes
    //! 0.4 of the instructions for a product, and four times as many products: with fewer, flat
    //! tiles are done before the few tall ones are.
    int tallForFour;
    //! Blocks for each multiprocessor to aim at by splitting the destinations.
    int blocksEach;
};

//! Drawn from the instructions of the busiest multiprocessor, by the loops of the machine code
//! (benchmarks/kernels), over the sites of B0 and B5 at batches 1 to 8: these rows are within 10 %
//! of the best choice of tile and splits in the mean, on 8 to 148 multiprocessors.
//!
//! Up to Orin AGX (16) there are always more blocks than multiprocessors, and two for each even
//! out what the last of them would wait for. On larger chips the blocks of a site hardly go round
//! once: a second one on some multiprocessors lets all others wait for those.
constexpr Tiling kTilings[]{{16, 3, 2}, {1 << 30, 2, 1}};

inline Tiling tilingOf(int processors) noexcept
{
    return *std::find_if(std::begin(kTilings), std::end(kTilings),
        [=](Tiling const& row) { return processors <= row.processors; });
}

//! More blocks than this are not asked for, whatever the chip.
constexpr int kMostBlocks = 512;

//! About as many splits as give ``blocks`` blocks, but no more than keep the largest share of the
//! tiles as small: the time is that of the largest share, and each split costs the sources again.
inline int splitsFor(MatchLattice const& lattice, int batch, Tile tile, int blocks) noexcept
{
    std::int64_t const whole = std::int64_t{ceilDivide(lattice.sources, tile.rows)} * batch;
    int const tiles = ceilDivide(lattice.destinations, tile.columns);
    std::int64_t const wanted = whole ? (blocks + whole - 1) / whole : 1;
    int const most = static_cast<int>(std::min<std::int64_t>(wanted, tiles));
    return ceilDivide(tiles, ceilDivide(tiles, most));
}

//! Splits on a chip of ``processors`` multiprocessors.
inline int splitsOn(MatchLattice const& lattice, int batch, Tile tile, int processors) noexcept
{
    std::int64_t const blocks = std::int64_t{tilingOf(processors).blocksEach} * processors;
    return splitsFor(
        lattice, batch, tile, static_cast<int>(std::min<std::int64_t>(blocks, kMostBlocks)));
}

inline bool isTall(MatchLattice const& lattice, int batch, int processors) noexcept
{
    std::int64_t const tiles = std::int64_t{ceilDivide(lattice.sources, kTall.rows)}
        * ceilDivide(lattice.destinations, kTall.columns) * batch;
    return 4 * tiles >= std::int64_t{tilingOf(processors).tallForFour} * processors;
}

//! The most images x splits that any batch up to this one has on any chip: a workspace that is
//! large enough for a batch is so for every smaller one, which may have more splits.
inline std::int64_t mostSplitImages(MatchLattice const& lattice, int batch) noexcept
{
    // Of all tiles, those that give the fewest blocks and the most tiles to divide.
    constexpr Tile kMost{kTall.rows, kFlat.columns};
    std::int64_t most = batch;
    // From as many images on as there are blocks, nothing is split.
    for (int images = 1; images <= std::min(batch, kMostBlocks); ++images)
    {
        std::int64_t const whole
            = std::int64_t{std::max(ceilDivide(lattice.sources, kMost.rows), 1)} * images;
        std::int64_t const splits = std::min<std::int64_t>(
            (kMostBlocks + whole - 1) / whole, ceilDivide(lattice.destinations, kMost.columns));
        most = std::max(most, images * splits);
    }
    return most;
}

//! Blocks per image of the selection. Each does again what finding the threshold takes and numbers
//! its share, so more of them are sooner done and do more in all: at most four, on at most an
//! eighth of the chip.
inline int selectBlocks(int groups, int batch, int processors) noexcept
{
    return std::max(std::min({groups, 4, processors / 8 / batch}), 1);
}

} // namespace segpp
