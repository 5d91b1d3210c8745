"""The decode head as one operator."""

import math

from benchmarks.kernels.counts.work import HALF, Work, find_loop
from benchmarks.kernels.nvcc import Kernel

__all__ = ["HEADS", "decode_head"]

# Channels and classes of a decode head, and height and width of its first level, a quarter of the
# image's: SegFormer-B0 and B1 for Cityscapes.
HEADS = ((256, 19, 128, 256), (256, 19, 256, 512))

# A tile of the decode head, and the channels of a step.
HEAD_ROWS, HEAD_COLUMNS, HEAD_STEP, HEAD_THREADS = 8, 32, 16, 256


def decode_head(
    kernels: dict[str, Kernel], channels: int, classes: int, height: int, width: int
) -> Work:
    """Decode head: a tile of 8 x 32 pixels, and of the deeper levels what lies below and around it.

    A row of 32 pixels lies between 18, 10 and 6 columns of levels of a half, a quarter and an
    eighth, and 8 rows between 6, 4 and 3 rows; at the image's border some of them are one.
    """
    name = "head::decodeHeadTensor<__half, 3, 2>"
    kernel = kernels[name]
    # Innermost first: weights, deeper levels, and the step along the channels that has both.
    weighing, walking = (loop for loop in kernel.loops if not loop.counts["HMMA"])
    step = find_loop(kernel, "HMMA")
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
