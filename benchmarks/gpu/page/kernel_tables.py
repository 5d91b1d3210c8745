"""The kernels alone, and beside what PyTorch has for them."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from benchmarks.common.markdown import table
from benchmarks.gpu.page.run import Facts, Run

__all__ = [
    "RESIZE_ARGMAX_THREADS",
    "alone",
    "beside",
    "faster_than_torch",
    "product_shares",
    "resize_argmax_blocks",
]

# Of a block of resize_argmax.cu.
RESIZE_ARGMAX_THREADS = 256

# The calls of an operator that a user of PyTorch has instead of the kernel.
TORCH = {
    "match": ("torch topk",),
    "merge": ("index_add", "scatter_reduce"),
    "unmerge": ("gather",),
    "resize-argmax": ("interpolate, argmax",),
}
# And a part of the work that nothing can do without.
BARE = {
    "match": "bmm alone",
    "merge": "copy of x",
    "unmerge": "copy of x",
    "resize-argmax": "copy of the logits",
}


def alone(run: Run) -> str:
    """Return the table of the C++ program."""
    heads = ["kernel", "size", "batch", "cold, us", "warm, us", "GB/s", "of a copy", "of 1 GB's"]
    return table(heads, [_launch(one) for one in run.launches])


def _launch(one: Facts) -> list[str]:
    return [
        one["kernel"],
        one["size"],
        str(one["batch"]),
        f"{one['cold_us']:.1f}",
        f"{one['warm_us']:.1f}",
        f"{one['gb_per_s']:,.0f}",
        f"{one['of_copy_of_same_size']:.1%}",
        f"{one['of_large_copy']:.1%}",
    ]


def beside(run: Run) -> str:
    """Return the table of kernels and PyTorch's operators."""
    heads = ["operator", "size", "kernel, us", "PyTorch, us", "kernel faster", "bare, us"]
    rows = []
    for operator, place, times in _measured(run):
        torch = ", ".join(f"{name} {_us(times[name])}" for name in TORCH[operator])
        bare = BARE[operator]
        faster = f"{_faster(operator, times):.2f}x"
        cells = [_us(times["kernel"]), torch, faster, f"{bare} {_us(times[bare])}"]
        rows.append([operator, place, *cells])
    return table(heads, rows)


def faster_than_torch(run: Run, operator: str) -> dict[str, float]:
    """Return how many times as fast as PyTorch's best a kernel is, by size."""
    return {
        place: _faster(operator, times)
        for found, place, times in _measured(run)
        if found == operator
    }


def product_shares(run: Run) -> list[float]:
    """Return what the products of a match take of it at batch 1, at every size."""
    return [
        times[BARE["match"]]["median_ms"] / times["kernel"]["median_ms"]
        for operator, place, times in _measured(run)
        if operator == "match" and place.endswith("batch 1")
    ]


def resize_argmax_blocks(height: int, width: int) -> int:
    """Return the blocks of a launch with a whole factor: a thread has two cells."""
    return ceil((height // 2 + 1) * (width + 1) / RESIZE_ARGMAX_THREADS)


def _measured(run: Run) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for key, found in run.beside.items():
        if "times" in found:
            place, _, operator = key.rpartition(": ")
            yield operator, place, found["times"]


def _faster(operator: str, times: Mapping[str, Any]) -> float:
    best = min(float(times[name]["median_ms"]) for name in TORCH[operator])
    return best / float(times["kernel"]["median_ms"])


def _us(one: Facts) -> str:
    return f"{1e3 * one['median_ms']:.1f}"
