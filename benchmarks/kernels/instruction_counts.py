"""The work of the kernels at sizes of the network, counted from their machine code.

No time is in here and none can be derived: these are the instructions and bytes that a launch
asks for, beside those that the operator cannot do without.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.kernels.nvcc import Kernel, Loop

__all__ = ["ARCHITECTURE", "Work", "count_work"]

# Orin. The others differ by a few instructions.
ARCHITECTURE = 87

HALF = 2
WARP = 32

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
    return work + [
        _labels(by_name, classes, height, width, several=several)
        for classes, height, width in LOGITS
        for several in (False, True)
    ]


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


def _merge(kernels: dict[str, Kernel], site: Site) -> Work:
    """Merge: each block lists the members of 32 slots, then every column adds its rows."""
    name = "tokenMergeKernel<__half, uint4>"
    kernel = kernels[name]
    counting = _loop(kernel, "load", count=8)
    listing = _loop(kernel, "load", count=4)
    adding = _loop(kernel, "load 16 B")
    slot = next(loop for loop in kernel.loops if loop.counts["store 16 B"] == 1)
    blocks = math.ceil(site.slots / 32)
    per_thread = site.tokens / 256 * (counting.instructions / 8 + listing.instructions / 4)
    words = site.channels * HALF // 16
    kept = site.slots - site.destinations
    members = (site.tokens - kept) / site.destinations
    adds = kept + site.destinations * math.ceil(members / 4)
    columns = words * (
        adds * adding.instructions + site.slots * (slot.instructions - adding.instructions)
    )
    row = site.channels * HALF
    floor = (site.tokens + site.slots) * row + 4 * site.tokens
    return Work(
        kernel=name,
        site=site.name,
        floor_bytes=floor,
        asked_bytes=floor + (2 * blocks - 1) * 4 * site.tokens,
        instructions=round(blocks * 256 * per_thread + columns),
        remark=f"lists of {members:.1f}, sorting left out",
    )


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
    """Labels: two cells per thread; then one class fills a cell, or three are interpolated."""
    name = "resizeArgmaxCells<4, __half>"
    kernel = kernels[name]
    looking = _loop(kernel, "load", count=24)
    sieving = _loop(kernel, "load", count=4)
    banded = [loop for loop in kernel.loops if loop.counts["store"] == 12]
    interpolating = _loop_with(
        loop for loop in kernel.loops if loop.counts["load"] == 4 and not loop.counts["store"]
    )
    threads = (height // 2 + 1) * (width + 1)
    cells = (height + 1) * (width + 1)
    # Twice in the code, for masks with a bit for one class and for many.
    looks = [loop for loop in kernel.loops if loop.counts["load"] == 24]
    inner = sum(loop.instructions for loop in (*banded, *looks))
    once = kernel.instructions - inner
    alive = 3 if several else 1
    per_cell = alive * sieving.instructions
    if several:
        per_cell += 2 * (banded[0].instructions + (alive - 1) * interpolating.instructions)
    logits = classes * height * width * HALF
    pixels = 16 * height * width
    return Work(
        kernel=name,
        site=f"{classes} x {height} x {width}",
        floor_bytes=logits + pixels,
        asked_bytes=classes * threads * 6 * HALF + cells * alive * 8 * HALF + pixels,
        instructions=threads * (math.ceil(classes / 4) * looking.instructions + once)
        + cells * per_cell,
        remark="three classes left in every cell" if several else "one class left in every cell",
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
