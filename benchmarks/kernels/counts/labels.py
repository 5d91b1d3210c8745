"""Labels: logits resized, and the class of each pixel."""

import math

from benchmarks.kernels.counts.work import HALF, WARP, Work, find_loop
from benchmarks.kernels.nvcc import Kernel

__all__ = ["LOGITS", "labels"]

# Labels are INT8 up to so many classes.
MOST_INT8 = 127

# Classes, and height and width of the logits, a quarter of the labels'.
LOGITS = ((19, 128, 256), (19, 256, 512), (150, 128, 128))


def labels(
    kernels: dict[str, Kernel], classes: int, height: int, width: int, *, several: bool
) -> Work:
    """Labels: warps share the classes of 2 x 30 cells; one class fills a cell, or three vie."""
    name = "resizeArgmaxCells<4, __half>"
    kernel = kernels[name]
    # Behind the first barrier a loop over the others' floors, four at a time and one by one.
    four, single = (loop.instructions for loop in kernel.loops[:2])
    interpolating = find_loop(kernel, "load", count=4)
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
