"""Which input sizes a plain ViT takes."""

from segpp.errors import InputError
from segpp.ops.grid import Size

__all__ = ["DEFAULT_SIZE", "MAX_PIXELS", "check_patches", "check_size"]

DEFAULT_SIZE = Size(512, 512)

# The side of the largest published patch: below it there is one.
_MIN_SIDE = 32

# Beyond 8192 x 8192 one attention alone would fill any machine's memory.
MAX_PIXELS = 8192 * 8192


def check_size(size: Size) -> None:
    """Raise InputError unless the networks work at ``size``.

    A side need not be a multiple of the patch: the last patches are filled up with zeros.
    """
    if min(size) < _MIN_SIDE:
        nearest = Size(*(max(_MIN_SIDE, side) for side in size))
        raise InputError(
            f"the size {size} is below {_MIN_SIDE} pixels in a side",
            hint=f"the nearest that works: `size={nearest}`",
        )
    if size.height * size.width > MAX_PIXELS:
        raise InputError(f"the size {size} has more than {MAX_PIXELS:,} pixels")


def check_patches(size: Size, patch: int) -> None:
    """Raise InputError unless the patches of a network whose code fills none cover the image."""
    if any(side % patch for side in size):
        nearest = Size(*(max(1, round(side / patch)) * patch for side in size))
        raise InputError(
            f"the size {size} is no multiple of the {patch} pixels of a patch",
            "the code that trained it drops the pixels that are left over",
            hint=f"the nearest that works: `size={nearest}`",
        )
