"""Which input sizes a SegFormer takes."""

from segpp.errors import InputError
from segpp.export.models.segformer.architecture import STRIDES
from segpp.ops.grid import Size

__all__ = ["DEFAULT_SIZE", "MAX_PIXELS", "check_size"]

DEFAULT_SIZE = Size(512, 1024)

# Below it a stage would have no keys and values: each is of one token per 32 x 32 pixels.
_MIN_SIDE = STRIDES[-1]

# Beyond 8192 x 8192 the attention of stage 1 alone would fill any machine's memory.
MAX_PIXELS = 8192 * 8192


def check_size(size: Size) -> None:
    """Raise InputError unless the network works at ``size``.

    A side need not be a multiple of anything. As in training, the last rows and columns of tokens
    that fill no window of the spatial reduction are in no key and no value; they still ask.
    """
    if min(size) < _MIN_SIDE:
        nearest = Size(*(max(_MIN_SIDE, side) for side in size))
        raise InputError(
            f"the size {size} is below {_MIN_SIDE} pixels in a side",
            hint=f"the nearest that works: `size={nearest}`",
        )
    if size.height * size.width > MAX_PIXELS:
        raise InputError(f"the size {size} has more than {MAX_PIXELS:,} pixels")
