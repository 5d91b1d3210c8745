"""Which input sizes a SegFormer takes."""

from segpp.errors import InputError
from segpp.export.models.segformer.architecture import STRIDES
from segpp.ops.grid import Size

__all__ = ["DEFAULT_SIZE", "MAX_PIXELS", "check_size"]

DEFAULT_SIZE = Size(512, 1024)

# Keys and values of every stage live on a grid of one token per 32 x 32 pixels.
_CELL = STRIDES[-1]

# Beyond 8192 x 8192 the attention of stage 1 alone would fill any machine's memory.
MAX_PIXELS = 8192 * 8192


def check_size(size: Size) -> None:
    """Raise InputError unless the network works at ``size``.

    Sizes that 32 does not divide are refused: PyTorch takes them, but drops the last rows and
    columns of keys and values, so borders would be segmented worse without a word.
    """
    nearest = Size(*(max(_CELL, round(side / _CELL) * _CELL) for side in size))
    if any(side < _CELL or side % _CELL for side in size):
        raise InputError(
            f"the size {size} is not a multiple of {_CELL} in height and width",
            hint=f"the nearest that is: `size={nearest}`",
        )
    if size.height * size.width > MAX_PIXELS:
        raise InputError(f"the size {size} has more than {MAX_PIXELS:,} pixels")
