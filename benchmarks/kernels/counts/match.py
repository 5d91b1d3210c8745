"""The match: destinations packed, similarities, or those of a window, and the selection."""

import math

from benchmarks.kernels.counts.work import HALF, WARP, Site, Work, find_loop, loop_with
from benchmarks.kernels.nvcc import Kernel

__all__ = ["near", "pack", "product", "select"]

# Dense FP16 multiply-adds of one HMMA.16816: 16 x 8 x 16, two operations each.
HMMA_FLOP = 2 * 16 * 8 * 16

# Multiprocessors of Orin AGX 64 GB: the selection's blocks depend on them.
PROCESSORS = 16

# Of eight bits, until the threshold is found: random tokens took two or three in the emulation.
DIGITS = 3


def pack(kernels: dict[str, Kernel], site: Site) -> Work:
    """The destinations' rows: a warp has one, 512 bytes at a time."""
    name = "packDestinations<__half, 8>"
    kernel = kernels[name]
    four, one = (loop_with(kernel, "load 16 B", count) for count in (4, 1))
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


def product(kernels: dict[str, Kernel], site: Site) -> Work:
    """The similarities: a block has 4 warps for 64 sources, and goes over tiles of 128."""
    name = "matchTensor<__half, 64, 128>"
    kernel = kernels[name]
    step, tile = find_loop(kernel, "HMMA"), find_loop(kernel, "HMMA", which=1)
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


def near(kernels: dict[str, Kernel], site: Site) -> Work:
    """The similarities at window 1: eight lanes have a source, and nine destinations at a time."""
    name = "matchNear<__half, 8>"
    kernel = kernels[name]
    step = loop_with(kernel, "load 16 B", 10)
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


def select(kernels: dict[str, Kernel], site: Site) -> Work:
    """The selection: every block looks at all keys, and numbers its groups of sources."""
    threads, held = (256, 2) if site.sources <= 2048 else (512, 4)
    name = f"selectAndNumber<{threads}, {held}>"
    kernel = kernels[name]
    groups = math.ceil(site.sources / (4 * threads))
    blocks = min(groups, 4, PROCESSORS // 8)
    counting = loop_with(kernel, "shared atomic", 4 * held)
    numbering = loop_with(kernel, "barrier", 1)
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
