"""The work of the kernels at sizes of the network, counted from their machine code.

No time is in here and none can be derived: these are the instructions and bytes that a launch
asks for, beside those that the operator cannot do without.
"""

from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.kernels.counts.decode_head import HEADS, decode_head
from benchmarks.kernels.counts.labels import LOGITS, Left, labels
from benchmarks.kernels.counts.match import near, pack, product, select
from benchmarks.kernels.counts.merge import merge, unmerge, unmerge_add
from benchmarks.kernels.counts.work import SITES, Site, Work
from benchmarks.kernels.left_classes import read_label_cells
from benchmarks.kernels.nvcc import Kernel

__all__ = ["ARCHITECTURE", "as_rows", "count_work"]

# Orin. The others differ by a few instructions.
ARCHITECTURE = 87


def count_work(kernels: Iterable[Kernel]) -> list[Work]:
    """Return the work of the kernels for FP16, by the machine code of ``ARCHITECTURE``."""
    by_name = {kernel.name: kernel for kernel in kernels}
    counters: tuple[Callable[[dict[str, Kernel], Site], Work], ...] = (
        pack,
        product,
        near,
        select,
        merge,
        unmerge,
        unmerge_add,
    )
    work = [counter(by_name, site) for site in SITES for counter in counters]
    work += [merge(by_name, SITES[1], plan) for plan in ("fast", "ratio 0.5")]
    work += [
        labels(by_name, classes, height, width, left=left)
        for classes, height, width in LOGITS
        for left in ({1: 1}, {3: 1}, *_in_pictures(height, width))
    ]
    return work + [decode_head(by_name, *head) for head in HEADS]


def _in_pictures(height: int, width: int) -> list[Left]:
    """Return how many classes were left in pictures of this size, if there were any."""
    found = read_label_cells().get(f"{4 * height}x{4 * width}")
    return [found] if found else []


def as_rows(work: Iterable[Work]) -> list[dict[str, Any]]:
    """Return the work as it is written to a file."""
    return [vars(item) for item in work]
