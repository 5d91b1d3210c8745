"""Pictures of a camera's own size resized in the file, as Pillow does it outside.

Per side a pixel is a sum of a few others (``taps``), rounded: gathers, products and
sums, which every engine has and fuses, where an antialiased Resize is not to be had.

Products of 8 and 22 bits do not fit into FP32, and sums lie exactly on a half where sides have a
simple ratio. So each weight is the sum of two parts,

    w = high + low      high a multiple of 2**-12, low one of 2**-22

whose sums over pixels are exact, and what is rounded is small enough to be exact as well:

    t = sum(high * pixel) + 0.5        pixel = floor(t) + floor(t - floor(t) + sum(low * pixel))
"""

import numpy as np
import torch
from torch import Tensor, nn

from segpp.export.onnx_graph.taps import Taps, resize_taps
from segpp.ops.grid import Size

__all__ = ["PictureResize"]


_HIGH = np.float32(1 << 12)


class PictureResize(nn.Module):
    """Pixels (B, C, H, W) of one size as those of another, floats from 0 to 255.

    Args:
        before: Of the camera.
        after: Of the network.
        resize: What the manifest calls the way.
    """

    def __init__(self, before: Size, after: Size, resize: str) -> None:
        super().__init__()
        self.columns = _Side(resize_taps(before.width, after.width, resize), 3)
        self.rows = _Side(resize_taps(before.height, after.height, resize), 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the resized pixels, columns first as everywhere."""
        resized: Tensor = self.rows(self.columns(pixels))
        return resized


class _Side(nn.Module):
    def __init__(self, taps: Taps, dim: int) -> None:
        super().__init__()
        self.dim = dim
        shape = (1, 1, 1, -1) if dim == 3 else (1, 1, -1, 1)  # noqa: PLR2004 - columns
        high = np.round(taps.weights * _HIGH) / _HIGH
        self.sources = nn.Buffer(torch.from_numpy(np.ascontiguousarray(taps.sources)))
        self.high, self.low = (
            nn.Buffer(torch.from_numpy(part).reshape(len(part), *shape))
            for part in (high, taps.weights - high)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        taken = [pixels.index_select(self.dim, place) for place in self.sources]
        high, low = (
            _sum([pixel * weight for pixel, weight in zip(taken, part, strict=True)])
            for part in (self.high, self.low)
        )
        whole = torch.floor(high + 0.5)
        rounded = whole + torch.floor(high + 0.5 - whole + low)
        return rounded.clamp(0.0, 255.0)


def _sum(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
