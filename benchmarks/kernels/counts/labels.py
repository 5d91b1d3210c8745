"""Labels: logits resized, and the class of each pixel."""

import math
from collections.abc import Mapping

from benchmarks.kernels.counts.work import HALF, WARP, Work, find_loop
from benchmarks.kernels.nvcc import Kernel

__all__ = ["LOGITS", "Left", "labels"]

# How many warps go on for how many classes.
Left = Mapping[int, int]

# Labels are INT8 up to so many classes.
MOST_INT8 = 127

CORNERS = 4
_NUMBERS = {1: "one class", 3: "three classes"}
# Classes, and height and width of the logits, a quarter of the labels'.
LOGITS = ((19, 128, 256), (19, 256, 512), (150, 128, 128))


def labels(
    kernels: dict[str, Kernel], classes: int, height: int, width: int, *, left: Left
) -> Work:
    """Labels: warps share the classes of 2 x 30 cells, of which some are left to vie in a cell.

    Args:
        kernels: By name.
        classes: K.
        height: Of the logits.
        width: Likewise.
        left: Of how many warps go on for how many classes.
    """
    name = "resizeArgmaxCells<4, __half>"
    kernel = kernels[name]
    # Behind the first barrier a loop over the others' floors, four at a time and one by one.
    four, single = (loop.instructions for loop in kernel.loops[:2])
    slices = max(2, math.ceil(classes / 10))
    tiles = math.ceil((height + 1) / 2) * math.ceil(width / 30)
    looking = kernel.parts[0] + kernel.parts[1] - four - single
    looking += (slices - 1) // 4 * four + (slices - 1) % 4 * single
    narrow, warps = classes <= MOST_INT8, sum(left.values())
    labelling = sum(n * _labelling(kernel, many, narrow=narrow) for many, n in left.items()) / warps
    alive = sum(many * n for many, n in left.items()) / warps
    logits = classes * height * width * HALF
    pixels = 16 * height * width * (1 if narrow else 4)
    return Work(
        kernel=name,
        site=f"{classes} x {height} x {width}",
        floor_bytes=logits + pixels,
        asked_bytes=round(tiles * WARP * (slices * 10 * 3 + 2 * alive * 4) * HALF) + pixels,
        # A warp for each of the two rows of cells labels it, the others are done.
        instructions=round(tiles * WARP * (slices * looking + 2 * labelling)),
        remark=_remark(left),
    )


def _labelling(kernel: Kernel, alive: int, *, narrow: bool) -> int:
    """Instructions of a warp that labels a row of cells in which so many classes are left."""
    # Jumped over: stores of 32 bits, a row of a cell each; and where one class is left all values.
    stores = kernel.counts["store 16 B"]
    wide = next(skip for skip in kernel.skips if skip.counts["store 16 B"] == stores)
    deciding = next(skip for skip in kernel.skips if skip.counts["load"] == CORNERS * 2)
    interpolating = find_loop(kernel, "load", count=CORNERS)
    own = kernel.parts[2] - (wide.instructions if narrow else 0)
    if alive == 1:
        return own - deciding.instructions
    return own + (alive - 2) * interpolating.instructions


def _remark(left: Left) -> str:
    if len(left) == 1:
        [alive] = left
        return f"{_NUMBERS[alive]} left in every cell"
    mean = sum(many * n for many, n in left.items()) / sum(left.values())
    return f"as in pictures: warps go on for {mean:.1f} classes, up to {max(left)}"
