"""The work of the kernels at sizes of the network, counted from their machine code.

No time is in here and none can be derived: these are the instructions and bytes that a launch
asks for, beside those that the operator cannot do without.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.kernels.list_lengths import TokenMap, read_token_maps
from benchmarks.kernels.nvcc import Kernel, Loop

__all__ = ["ARCHITECTURE", "Work", "count_work"]

# Orin. The others differ by a few instructions.
ARCHITECTURE = 87

HALF = 2
WARP = 32

# Of merge: threads and warps of a block, members of a group, and of a list that one thread adds.
MERGE_THREADS, MERGE_WARPS, MERGE_GROUP, MERGE_SHARED = 256, 8, 32, 64
H200_PROCESSORS = 132

# Labels are INT8 up to so many classes.
MOST_INT8 = 127

# Dense FP16 multiply-adds of one HMMA.16816: 16 x 8 x 16, two operations each.
HMMA_FLOP = 2 * 16 * 8 * 16


@dataclass(frozen=True)
class Work:
    """What one launch does.

    Attributes:
        floor_bytes: Inputs read once and outputs written once.
        asked_bytes: What the threads ask of the caches and of memory.
        instructions: Of all threads (a warp's instruction counts 32 times).
        remark: What the count assumes.
    """

    kernel: str
    site: str
    floor_bytes: int
    asked_bytes: int
    instructions: int
    remark: str


@dataclass(frozen=True)
class Site:
    """Tokens of one stage of B5 with the preset ``hq``, batch 1, FP16."""

    name: str
    tokens: int
    destinations: int
    channels: int

    @property
    def merged(self) -> int:
        """How many sources merge: 0.8 of all tokens."""
        return int(0.8 * self.tokens)

    @property
    def slots(self) -> int:
        """M, the tokens that are left."""
        return self.tokens - self.merged

    @property
    def sources(self) -> int:
        """The tokens that are not destinations."""
        return self.tokens - self.destinations


SITES = (
    Site("512x1024, stage 3", 2048, 128, 320),
    Site("1024x2048, stage 3", 8192, 512, 320),
    Site("1024x2048, stage 4", 2048, 128, 512),
)

# Classes, and height and width of the logits, a quarter of the labels'.
LOGITS = ((19, 128, 256), (19, 256, 512), (150, 128, 128))


# Channels and classes of a decode head, and height and width of its first level, a quarter of the
# image's: SegFormer-B0 and B1 for Cityscapes.
HEADS = ((256, 19, 128, 256), (256, 19, 256, 512))

# A tile of the decode head, and the channels of a step.
HEAD_ROWS, HEAD_COLUMNS, HEAD_STEP, HEAD_THREADS = 8, 32, 16, 256


def count_work(kernels: Iterable[Kernel]) -> list[Work]:
    """Return the work of the kernels for FP16, by the machine code of ``ARCHITECTURE``."""
    by_name = {kernel.name: kernel for kernel in kernels}
    counters: tuple[Callable[[dict[str, Kernel], Site], Work], ...] = (
        _pack,
        _product,
        _near,
        _select,
        _merge,
        _unmerge,
    )
    work = [counter(by_name, site) for site in SITES for counter in counters]
    work += [_merge(by_name, SITES[1], plan) for plan in ("fast", "ratio 0.5")]
    work += [
        _labels(by_name, classes, height, width, several=several)
        for classes, height, width in LOGITS
        for several in (False, True)
    ]
    return work + [_head(by_name, *head) for head in HEADS]


def _product(kernels: dict[str, Kernel], site: Site) -> Work:
    """The similarities: a block has 4 warps for 64 sources, and goes over tiles of 128."""
    name = "matchTensor<__half, 64, 128>"
    kernel = kernels[name]
    step, tile = _loop(kernel, "HMMA"), _loop(kernel, "HMMA", which=1)
    blocks, tiles = math.ceil(site.sources / 64), math.ceil(site.destinations / 128)
    steps = math.ceil(site.channels / 32)
    per_tile = steps * step.instructions + tile.instructions - step.instructions
    outside = kernel.instructions - tile.instructions
    flop = blocks * 4 * tiles * steps * step.counts["HMMA"] * HMMA_FLOP
    floor = 2 * site.sources * site.destinations * site.channels
    row = site.channels * HALF
    return Work(
        kernel=name,
        site=site.name,
        floor_bytes=site.tokens * row + site.sources * 8,
        asked_bytes=(site.sources + blocks * site.destinations) * row + site.sources * 8,
        instructions=blocks * 4 * WARP * (tiles * per_tile + outside),
        remark=f"{flop / 1e9:.2f} GFLOP in tensor cores of {floor / 1e9:.2f} needed",
    )


def _pack(kernels: dict[str, Kernel], site: Site) -> Work:
    """The destinations' rows: a warp has one, 512 bytes at a time."""
    name = "packDestinations<__half, 8>"
    kernel = kernels[name]
    four, one = (_loop_of(kernel, "load 16 B", count) for count in (4, 1))
    outside = kernel.instructions - four.instructions - one.instructions
    turns = math.ceil(site.channels / (WARP * 8))
    rows = 2 * site.destinations * site.channels * HALF + 4 * site.destinations
    return Work(
        kernel=name,
        site=site.name,
        floor_bytes=rows,
        asked_bytes=rows,
        instructions=site.destinations * WARP * (turns * one.instructions + outside),
        remark="all code outside of the loops counted",
    )


def _near(kernels: dict[str, Kernel], site: Site) -> Work:
    """The similarities at window 1: eight lanes have a source, and nine destinations at a time."""
    name = "matchNear<__half, 8>"
    kernel = kernels[name]
    step = _loop_of(kernel, "load 16 B", 10)
    outside = kernel.instructions - step.instructions
    turns = math.ceil(site.channels / 64)
    row = site.channels * HALF
    out = site.sources * 12
    return Work(
        kernel=name,
        site=site.name,
        floor_bytes=site.tokens * row + 4 * site.destinations + out,
        asked_bytes=site.sources * (10 * row + 9 * 4) + out,
        instructions=site.sources * 8 * (turns * step.instructions + outside),
        remark="window 1, all code outside of the loop counted",
    )


# Multiprocessors of Orin AGX 64 GB: the selection's blocks depend on them.
PROCESSORS = 16

# Of eight bits, until the threshold is found: random tokens took two or three in the emulation.
DIGITS = 3


def _select(kernels: dict[str, Kernel], site: Site) -> Work:
    """The selection: every block looks at all keys, and numbers its groups of sources."""
    threads, held = (256, 2) if site.sources <= 2048 else (512, 4)
    name = f"selectAndNumber<{threads}, {held}>"
    kernel = kernels[name]
    groups = math.ceil(site.sources / (4 * threads))
    blocks = min(groups, 4, PROCESSORS // 8)
    counting = _loop_of(kernel, "shared atomic", 4 * held)
    numbering = _loop_of(kernel, "barrier", 1)
    # Loops over the splits, of which there is one: for all keys, for a block's own sources, and in
    # the loop of numbering for those of its next group.
    *once, again = (
        loop.instructions
        for loop in kernel.loops
        if loop.counts["load 16 B"] and not loop.counts["barrier"]
    )
    each = numbering.instructions - again
    outside = kernel.instructions - counting.instructions - numbering.instructions - sum(once)
    per_thread = outside + DIGITS * counting.instructions + math.ceil(groups / blocks) * each
    out = 4 * site.tokens
    return Work(
        kernel=name,
        site=site.name,
        floor_bytes=12 * site.sources + out,
        asked_bytes=(8 * blocks + 12) * site.sources + out,
        instructions=blocks * threads * per_thread,
        remark=f"one split, {blocks} blocks, {DIGITS} digits, all other code counted",
    )


def _merge(kernels: dict[str, Kernel], site: Site, plan: str = "hq") -> Work:
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
        total += longest // 8 * adding + groups * (summing - adding)
        total += (kernel.parts[-1] - summing) * bool(owned)
    long = [length for length in lists if length > MERGE_SHARED]
    return total + sum(_together(kernel, length, words) for length in long)


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


def _unmerge(kernels: dict[str, Kernel], site: Site) -> Work:
    """Unmerge: a thread moves 16 bytes of four rows and runs through its code once."""
    name = "tokenUnmergeKernel<uint4>"
    words = site.channels * HALF // 16
    threads = words * math.ceil(site.tokens / 4)
    row = site.channels * HALF
    return Work(
        kernel=name,
        site=site.name,
        floor_bytes=(site.tokens + site.slots) * row + 4 * site.tokens,
        asked_bytes=2 * site.tokens * row + 4 * site.tokens * words,
        instructions=threads * kernels[name].instructions,
        remark="all code counted",
    )


def _labels(
    kernels: dict[str, Kernel], classes: int, height: int, width: int, *, several: bool
) -> Work:
    """Labels: warps share the classes of 2 x 30 cells; one class fills a cell, or three vie."""
    name = "resizeArgmaxCells<4, __half>"
    kernel = kernels[name]
    # Behind the first barrier a loop over the others' floors, four at a time and one by one.
    four, single = (loop.instructions for loop in kernel.loops[:2])
    interpolating = _loop(kernel, "load", count=4)
    slices = max(2, math.ceil(classes / 10))
    tiles = math.ceil((height + 1) / 2) * math.ceil(width / 30)
    looking = kernel.parts[0] + kernel.parts[1] - four - single
    looking += (slices - 1) // 4 * four + (slices - 1) % 4 * single
    labelling = kernel.parts[2] - interpolating.instructions
    alive = 3 if several else 1
    labelling += (alive - 1) * interpolating.instructions
    logits = classes * height * width * HALF
    pixels = 16 * height * width * (1 if classes <= MOST_INT8 else 4)
    return Work(
        kernel=name,
        site=f"{classes} x {height} x {width}",
        floor_bytes=logits + pixels,
        asked_bytes=tiles * WARP * (slices * 10 * 3 + 2 * alive * 4) * HALF + pixels,
        # A warp for each of the two rows of cells labels it, the others are done.
        instructions=tiles * WARP * (slices * looking + 2 * labelling),
        remark="three classes left in every cell" if several else "one class left in every cell",
    )


def _head(kernels: dict[str, Kernel], channels: int, classes: int, height: int, width: int) -> Work:
    """Decode head: a tile of 8 x 32 pixels, and of the deeper levels what lies below and around it.

    A row of 32 pixels lies between 18, 10 and 6 columns of levels of a half, a quarter and an
    eighth, and 8 rows between 6, 4 and 3 rows; at the image's border some of them are one.
    """
    name = "head::decodeHeadTensor<__half, 3, 2>"
    kernel = kernels[name]
    # Innermost first: weights, deeper levels, and the step along the channels that has both.
    weighing, walking = (loop for loop in kernel.loops if not loop.counts["HMMA"])
    step = _loop(kernel, "HMMA")
    tiles = math.ceil(height / HEAD_ROWS) * math.ceil(width / HEAD_COLUMNS)
    steps = channels // HEAD_STEP
    # Four channels of a column or of a class are a thread's.
    quads = HEAD_STEP // 4
    columns = sum(HEAD_COLUMNS // scale + 2 for scale in (2, 4, 8))
    per_step = HEAD_THREADS * (step.instructions - weighing.instructions - walking.instructions)
    per_step += quads * (columns * walking.instructions + 24 * weighing.instructions)
    once = kernel.instructions - step.instructions
    pixels, map_bytes = height * width, height * width * channels * HALF
    deeper = [(HEAD_ROWS // scale + 2) * (HEAD_COLUMNS // scale + 2) for scale in (2, 4, 8)]
    asked = tiles * (HEAD_ROWS * HEAD_COLUMNS + sum(deeper) + classes) * channels * HALF
    logits = classes * pixels * HALF
    # One by one: three resizes and three sums write a map each and a ReLU another; the sums read
    # two and ReLU and classifier one. An engine joins sums and ReLU, which read four and write one.
    levels = map_bytes * sum(scale**-2 for scale in (2, 4, 8))
    alone, joined = 15 * map_bytes + levels + logits, 9 * map_bytes + levels + logits
    found = asked + logits
    return Work(
        kernel=name,
        site=f"{classes} of {channels} x {height} x {width}",
        floor_bytes=round(map_bytes + levels + logits + classes * channels * HALF),
        asked_bytes=found,
        instructions=tiles * (HEAD_THREADS * once + steps * per_step),
        remark=f"{found / joined:.1%} of the bytes of resizes, one pass of sums and ReLU, and"
        f" classifier; {found / alone:.1%} of those of each operator alone",
    )


def _loop(kernel: Kernel, kind: str, *, count: int = 0, which: int = 0) -> Loop:
    """Return the loop, innermost first, that has (``count``) instructions of a kind."""
    found = [
        loop
        for loop in kernel.loops
        if (loop.counts[kind] == count if count else loop.counts[kind])
        and not (kind == "load" and loop.counts["load 16 B"])
    ]
    return found[which]


def _loop_of(kernel: Kernel, kind: str, count: int) -> Loop:
    """Return the innermost loop with exactly so many instructions of a kind."""
    return next(loop for loop in kernel.loops if loop.counts[kind] == count)


def _loop_with(loops: Iterable[Loop]) -> Loop:
    return max(loops, key=lambda loop: loop.instructions)


def as_rows(work: Iterable[Work]) -> list[dict[str, Any]]:
    """Return the work as it is written to a file."""
    return [vars(item) for item in work]
