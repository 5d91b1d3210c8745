//! Whose turn it is: threads in the order in which they became ready, or as a seed draws them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace cpu_emulation
{

//! The threads of a block that can go on.
//!
//! Drawing every turn from all of them would keep the warps abreast, and a warp that meets one two
//! barriers behind is what a missing barrier lets happen. So a drawn order has favourites: the first
//! warp in it that can go on does, by any of its lanes, until the favourites are drawn anew; which
//! is often in some blocks, and rarely in others.
class ReadyThreads
{
public:
    //! In order for seed 0.
    void setOrder(std::uint64_t seed)
    {
        mShuffled = seed != 0;
        mRandom.seed(seed);
    }

    bool isShuffled() const noexcept
    {
        return mShuffled;
    }

    std::mt19937_64& random() noexcept
    {
        return mRandom;
    }

    //! For a new block.
    void clear()
    {
        mWaiting.clear();
        mNext = 0;
        for (std::vector<std::size_t>& warp : mWarps)
        {
            warp.clear();
        }
        mCount = 0;
        if (mShuffled)
        {
            constexpr std::array<std::uint64_t, 3> kPeriods{16, 256, 4096};
            mPeriod = kPeriods[mRandom() % kPeriods.size()];
            drawFavourites();
        }
    }

    bool isEmpty() const noexcept
    {
        return mCount == 0;
    }

    void add(std::size_t thread)
    {
        ++mCount;
        (mShuffled ? mWarps[thread / kWarp] : mWaiting).push_back(thread);
    }

    //! Of threads that can go on, the one that does.
    std::size_t take()
    {
        --mCount;
        return mShuffled ? takeDrawn() : takeFirst();
    }

private:
    static constexpr std::size_t kWarp = 32;
    static constexpr std::size_t kMostWarps = 32;

    void drawFavourites()
    {
        std::iota(mFavourites.begin(), mFavourites.end(), std::size_t{0});
        std::shuffle(mFavourites.begin(), mFavourites.end(), mRandom);
    }

    std::size_t takeFirst()
    {
        std::size_t const thread = mWaiting[mNext++];
        if (mNext == mWaiting.size())
        {
            mWaiting.clear();
            mNext = 0;
        }
        return thread;
    }

    std::size_t takeDrawn()
    {
        if (mRandom() % mPeriod == 0)
        {
            drawFavourites();
        }
        auto const favourite = std::find_if(mFavourites.begin(), mFavourites.end(),
            [this](std::size_t warp) { return !mWarps[warp].empty(); });
        std::vector<std::size_t>& lanes = mWarps[*favourite];
        std::swap(lanes[mRandom() % lanes.size()], lanes.back());
        std::size_t const thread = lanes.back();
        lanes.pop_back();
        return thread;
    }

    bool mShuffled{false};
    std::mt19937_64 mRandom{};
    std::size_t mCount{0};
    std::vector<std::size_t> mWaiting{};  // in order, from mNext on
    std::size_t mNext{0};
    std::array<std::vector<std::size_t>, kMostWarps> mWarps{};
    std::array<std::size_t, kMostWarps> mFavourites{};
    std::uint64_t mPeriod{1};
};

} // namespace cpu_emulation
