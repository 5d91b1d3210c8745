"""Windows of labelled pictures, varied, with what a teacher says of the whole picture there.

A teacher that runs once on every picture costs nothing while a student learns.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.distillation.crops import IGNORE, MEAN, STD
from segpp.datasets.pairs import Pair, load_pair

__all__ = ["Taught", "View", "ahead", "taught", "window_of"]

# Pixels of a cell of what the teacher says, and of the masks that are learned.
CELL = 4
# Rows and columns may be scaled apart by so much, each way.
_ASPECT = 0.1
Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class View:
    """How large a window is for the student, and how much larger than in the picture.

    Attributes:
        crop: Its height and width in pixels.
        scales: The least and the most that it may be enlarged by.
    """

    crop: tuple[int, int]
    scales: tuple[float, float]


@dataclass(frozen=True)
class Taught:
    """A picture (H, W, 3), its labels (H, W) and the teacher's probabilities (K, H/4, W/4)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    said: Tensor


def taught(pairs: Sequence[Pair], teacher: nn.Module, classes: int) -> list[Taught]:
    """Read all pictures, and ask the teacher about each; their sides are cut to whole cells.

    The teacher takes RGB as ImageNet's pictures are normalised, and aligns no corners.
    """
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    found = []
    for pair in tqdm(pairs, "asking the teacher"):
        pixels, labels = load_pair(pair)
        height, width = (side // CELL * CELL for side in pixels.shape[:2])
        pixels, labels = pixels[:height, :width], labels[:height, :width]
        image = (torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) - mean) / std
        with torch.no_grad():
            logits: Tensor = teacher(image[None])
        size = [height // CELL, width // CELL]
        wide = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        known = np.where((labels < 0) | (labels >= classes), IGNORE, labels).astype(np.uint8)
        found.append(Taught(pixels, known, wide[0].softmax(0).half()))
    return found


def ahead(pictures: Sequence[Taught], view: View, size: int, step: int) -> Iterator[Batch]:
    """Yield batches from a step on, each made while the one before is used.

    These are normalised windows (B, 3, h, w), their labels (B, h/4, w/4), and probabilities
    (B, K, h/4, w/4).
    """

    def made(number: int) -> Batch:
        draw = np.random.default_rng((0, number))
        chosen = [pictures[int(i)] for i in draw.integers(len(pictures), size=size)]
        images, labels, said = zip(*(window_of(one, view, draw) for one in chosen), strict=True)
        return torch.stack(images), torch.stack(labels), torch.stack(said)

    with ThreadPoolExecutor(1) as worker:
        waiting = worker.submit(made, step)
        while True:
            step += 1
            batch, waiting = waiting.result(), worker.submit(made, step)
            yield batch


def window_of(picture: Taught, view: View, draw: np.random.Generator) -> Batch:
    """Return one window of a picture, scaled, mirrored and in another light."""
    rows, columns = _place(picture, view, draw)
    cells = [slice(side.start // CELL, side.stop // CELL) for side in (rows, columns)]
    small = [side // CELL for side in view.crop]
    pixels = torch.from_numpy(picture.pixels[rows, columns].astype(np.float32)).permute(2, 0, 1)
    labels = torch.from_numpy(picture.labels[rows, columns].astype(np.float32))
    said = picture.said[:, cells[0], cells[1]].float()
    image = _lit(_resized(pixels, view.crop), draw)
    # The middle of a cell, as what the teacher says is of it.
    numbers = F.interpolate(labels[None, None], small, mode="nearest-exact")[0, 0].long()
    told = _resized(said, small)
    if draw.random() < 1 / 2:
        image, numbers, told = image.flip(2), numbers.flip(1), told.flip(2)
    return image, numbers, told


def _place(picture: Taught, view: View, draw: np.random.Generator) -> tuple[slice, slice]:
    scale = np.exp(draw.uniform(*np.log(view.scales)))
    stretch = np.exp(draw.uniform(-_ASPECT, _ASPECT) / 2)
    found = []
    for side, have, own in zip(
        view.crop, picture.labels.shape, (stretch, 1 / stretch), strict=True
    ):
        length = min(have // CELL, max(1, round(side / (scale * own) / CELL)))
        first = int(draw.integers(0, have // CELL - length + 1))
        found.append(slice(first * CELL, (first + length) * CELL))
    return found[0], found[1]


def _resized(image: Tensor, size: Sequence[int]) -> Tensor:
    if image.shape[1:] == tuple(size):
        return image
    wide = F.interpolate(
        image[None], list(size), mode="bilinear", antialias=True, align_corners=False
    )
    return wide[0]


def _lit(pixels: Tensor, draw: np.random.Generator) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    gain = torch.tensor(draw.uniform(0.85, 1.15, (3, 1, 1)) * draw.uniform(0.7, 1.3)).float()
    gamma = float(np.exp(draw.uniform(-0.3, 0.3)))
    lit = 255 * (pixels / 255).clamp(0, 1) ** gamma * gain
    return (lit.clamp(0, 255) - mean) / std
