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


# Channels and classes of a decode head, and height and width of its first level, a quarter of the
# image's: SegFormer-B0 and B1 for Cityscapes.
HEADS = ((256, 19, 128, 256), (256, 19, 256, 512))

# A tile of the decode head, and the channels of a step.
HEAD_ROWS, HEAD_COLUMNS, HEAD_STEP, HEAD_THREADS = 8, 32, 16, 256


def count_work(kernels: Iterable[Kernel]) -> list[Work]:
    """Return the work of the kernels for FP16, by the machine code of ``ARCHITECTURE``."""
    by_name = {kernel.name: kernel for kernel in kernels}
    counters: tuple[Callable[[dict[str, Kernel], Site], Work], ...] = (_product, _merge, _unmerge)
    work = [counter(by_name, site) for site in SITES for counter in counters]
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


def _loop_with(loops: Iterable[Loop]) -> Loop:
    return max(loops, key=lambda loop: loop.instructions)


def as_rows(work: Iterable[Work]) -> list[dict[str, Any]]:
    """Return the work as it is written to a file."""
    return [vars(item) for item in work]
