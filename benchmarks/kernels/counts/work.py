"""What a launch's work is, the sites where it is counted, and how loops are found in the code."""

from dataclasses import dataclass

from benchmarks.kernels.nvcc import Kernel, Loop

__all__ = ["HALF", "SITES", "WARP", "Site", "Work", "find_loop", "loop_with"]

HALF = 2
WARP = 32


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


def find_loop(kernel: Kernel, kind: str, *, count: int = 0, which: int = 0) -> Loop:
    """Return the loop, innermost first, that has (``count``) instructions of a kind."""
    found = [
        loop
        for loop in kernel.loops
        if (loop.counts[kind] == count if count else loop.counts[kind])
        and not (kind == "load" and loop.counts["load 16 B"])
    ]
    return found[which]


def loop_with(kernel: Kernel, kind: str, count: int) -> Loop:
    """Return the innermost loop with exactly so many instructions of a kind."""
    return next(loop for loop in kernel.loops if loop.counts[kind] == count)
