"""How little the pixels of each cell of an image differ."""

import torch
from torch import Tensor

__all__ = ["flatness"]


def flatness(image: Tensor, side: int) -> Tensor:
    """Return the negated variance of the pixels of every cell, the mean over channels, (B, W).

    Args:
        image: Pixels (B, Cin, H, W); what is left beside complete cells is in none.
        side: Pixels along a cell.
    """
    rows, columns = image.shape[2] // side, image.shape[3] // side
    # Which cells are flat has no gradient.
    with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
        # A slice of all of it would be a node that does nothing.
        if image.shape[2] % side or image.shape[3] % side:
            image = image[:, :, : rows * side, : columns * side]
        cells = image.reshape(*image.shape[:2], rows, side, columns, side)
        # In two passes: the difference of two large squares would lose what is small.
        about = cells - cells.mean((3, 5), keepdim=True)
        return -about.square().mean((1, 3, 5)).flatten(1)
