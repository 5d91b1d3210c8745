"""Merge, by what tokens of real pictures share, and unmerge, alone and into a sum."""

import math
from collections.abc import Sequence

from benchmarks.kernels.counts.work import HALF, WARP, Site, Work
from benchmarks.kernels.list_lengths import TokenMap, read_token_maps
from benchmarks.kernels.nvcc import Kernel

__all__ = ["merge", "unmerge", "unmerge_add"]

# Of merge: threads and warps of a block, members of a group, and of a list that one thread adds.
MERGE_THREADS, MERGE_WARPS, MERGE_GROUP, MERGE_SHARED = 256, 8, 32, 64
# Rows that are added behind those that go eight at a time, each with a jump behind it; and what a
# row of eight halves takes, a conversion and an addition each.
ROWS_BEHIND, ROW = 7, 16

H200_PROCESSORS = 132


def merge(kernels: dict[str, Kernel], site: Site, plan: str = "hq") -> Work:
    """Merge, by what one picture's tokens share; in as many blocks as an H200 gets."""
    name = "tokenMergeKernel<__half, 8>"
    kernel = kernels[name]
    found = _map(site, plan)
    words = site.channels * HALF // 16
    groups = MERGE_THREADS // words
    per_block = min(8, groups, math.ceil(len(found.lengths) / H200_PROCESSORS))
    blocks = [
        found.lengths[first : first + per_block]
        for first in range(0, len(found.lengths), per_block)
    ]
    warps = sum(_merge_warps(kernel, lists, site.tokens, words) for lists in blocks)
    warps += _copy_warps(kernel, found, words)
    row = site.channels * HALF
    floor = (found.tokens + found.slots) * row + 4 * found.tokens
    mean = sum(found.lengths) / len(found.lengths)
    return Work(
        kernel=name,
        site=f"{site.name}, {plan}",
        floor_bytes=floor,
        asked_bytes=floor + len(blocks) * 4 * found.tokens,
        instructions=warps * WARP,
        remark=f"real maps: lists of {mean:.1f}, the longest {max(found.lengths)}",
    )


def _map(site: Site, plan: str) -> TokenMap:
    size = site.name.split(",")[0]
    # Keys and values of early stages may have as many tokens; queries come last.
    return [
        row
        for row in read_token_maps()
        if (row.size, row.plan, row.tokens) == (size, plan, site.tokens)
    ][-1]


def _merge_warps(kernel: Kernel, lists: Sequence[int], tokens: int, words: int) -> int:
    """Instructions of the warps of a block: it looks, lists, sorts, and adds."""
    wide = [loop.instructions for loop in kernel.loops if loop.counts["load 16 B"] == 8]
    adding, summing = wide[0], _adding(kernel)
    copying = [loop for loop in kernel.loops if loop.counts["store 16 B"] == 4][-1]
    many, some, rest = _looking(kernel)
    # 1. Every warp looks at its share, 16 or 8 tokens of a lane at a time.
    own = math.ceil(tokens / MERGE_THREADS)
    looking = own // 16 * many + own % 16 // 8 * some + math.ceil(own % 8 / 8) * rest
    once = kernel.parts[0] - copying.instructions - many - some - rest + looking + kernel.parts[1]
    # 2. A warp for each list goes over the block's members, 32 at a time.
    sorting = len(lists) * kernel.parts[2] * math.ceil(sum(lists) / WARP)
    # 3. A warp whose lanes add several lists goes on for the longest.
    total = MERGE_WARPS * once + sorting
    for warp in range(MERGE_WARPS):
        owned = lists[warp * WARP // words : (warp * WARP + WARP - 1) // words + 1]
        short = [length for length in owned if length <= MERGE_SHARED]
        longest = max(short, default=0)
        groups = math.ceil(longest / MERGE_GROUP)
        total += longest // 8 * adding + groups * (summing - adding) - _left_out(longest)
        total += (kernel.parts[-1] - summing) * bool(owned)
    long = [length for length in lists if length > MERGE_SHARED]
    return total + sum(_together(kernel, length, words) for length in long)


def _left_out(length: int) -> int:
    """Instructions that are jumped over behind the last row of every group of a list."""
    groups = [min(MERGE_GROUP, length - first) for first in range(0, length, MERGE_GROUP)]
    return sum((ROWS_BEHIND - group % (ROWS_BEHIND + 1)) * ROW for group in groups)


def _looking(kernel: Kernel) -> list[int]:
    """Instructions of the loops over slots: 16 words, 8, and 8 of which some may be missing."""
    return [
        loop.instructions
        for loop in kernel.loops
        if loop.counts["load"] in {8, 16} and not loop.counts["load 16 B"]
    ]


def _adding(kernel: Kernel) -> int:
    """Instructions of the loop over a list's groups: eight rows at a time, then up to seven."""
    return next(loop.instructions for loop in kernel.loops if loop.counts["load 16 B"] == 15)


def _together(kernel: Kernel, length: int, words: int) -> int:
    """A long list: every group of members by the threads of a column, then the rest by one."""
    place, whole = next(
        (place, loop)
        for place, loop in enumerate(kernel.loops)
        if loop.counts["load 16 B"] == 8 and loop.counts["barrier"]
    )
    # Before it ends the loop in which the owner adds what the others have summed.
    exchange = kernel.loops[place - 1].instructions
    adding = next(loop.instructions for loop in kernel.loops if loop.counts["load 16 B"] == 8)
    groups = MERGE_THREADS // words
    rounds = math.ceil(length // MERGE_GROUP / groups)
    each = whole.instructions + (MERGE_GROUP // 8 - 1) * adding + groups * exchange
    return MERGE_WARPS * rounds * each + math.ceil(words / WARP) * (3 * adding + _adding(kernel))


def _copy_warps(kernel: Kernel, found: TokenMap, words: int) -> int:
    """A warp for every 32 tokens copies those that are alone, four at a time."""
    column, batch = (loop for loop in kernel.loops if loop.counts["store 16 B"] == 4)
    warps = math.ceil(found.tokens / WARP)
    batches = math.ceil(found.singles / warps / 4)
    per_batch = batch.instructions + (math.ceil(words / WARP) - 1) * column.instructions
    before = kernel.parts[0] - batch.instructions - sum(_looking(kernel))
    return warps * (before + batches * per_batch)


def unmerge(kernels: dict[str, Kernel], site: Site) -> Work:
    """Unmerge: a thread moves 16 bytes of four rows and runs through its code once."""
    return _unmerge(kernels["tokenUnmergeKernel<uint4>"], site, 2, "all code counted")


def unmerge_add(kernels: dict[str, Kernel], site: Site) -> Work:
    """Unmerge into a sum: the same, and the rows that it is added to are read."""
    alone = unmerge(kernels, site)
    # A sum of its own reads what was unmerged, and the residual, and writes.
    apart = alone.floor_bytes + 3 * site.tokens * site.channels * HALF
    joined = alone.floor_bytes + site.tokens * site.channels * HALF
    remark = f"all code counted; {joined / apart:.1%} of the bytes of unmerge and a sum"
    return _unmerge(kernels["tokenUnmergeAddKernel<__half, 8>"], site, 3, remark)


def _unmerge(kernel: Kernel, site: Site, passes: int, remark: str) -> Work:
    """Count a kernel that goes over all tokens so many times, and over the slots once."""
    row, words = site.channels * HALF, site.channels * HALF // 16
    threads = words * math.ceil(site.tokens / 4)
    return Work(
        kernel=kernel.name,
        site=site.name,
        floor_bytes=((passes - 1) * site.tokens + site.slots) * row + 4 * site.tokens,
        asked_bytes=passes * site.tokens * row + 4 * site.tokens * words,
        instructions=threads * kernel.instructions,
        remark=remark,
    )
