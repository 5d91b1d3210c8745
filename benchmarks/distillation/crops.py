"""Batches of varied crops of labelled pictures, each made while the one before is used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from segpp.datasets.pairs import Pair, load_pair

__all__ = ["CROP", "IGNORE", "MEAN", "STD", "Batch", "ahead"]

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
IGNORE = 255
SCALES, CROP = (0.6, 1.6), (320, 448)

Batch = tuple[Tensor, Tensor]


def ahead(pairs: tuple[Pair, ...], size: int, ignored: int, step: int) -> Iterator[Batch]:
    """Yield batches from a step on, each made while the one before is used."""
    known = {pair: load_pair(pair) for pair in tqdm(pairs, "reading")}
    with ThreadPoolExecutor(1) as worker:
        waiting = worker.submit(batch_of, known, pairs, size, ignored, step)
        while True:
            step += 1
            batch, waiting = (
                waiting.result(),
                worker.submit(batch_of, known, pairs, size, ignored, step),
            )
            yield batch


def batch_of(
    known: dict[Pair, Any], pairs: tuple[Pair, ...], size: int, ignored: int, step: int
) -> Batch:
    """Return normalised crops (B, 3, h, w) and their labels (B, h, w)."""
    draw = np.random.default_rng((0, step))
    chosen = [known[pairs[int(i)]] for i in draw.integers(len(pairs), size=size)]
    parts = [varied(image, labels, ignored, draw) for image, labels in chosen]
    return torch.cat([image for image, _ in parts]), torch.cat([labels for _, labels in parts])


def varied(
    image: NDArray[np.uint8], labels: NDArray[Any], ignored: int, draw: np.random.Generator
) -> Batch:
    """Return one crop of a picture, scaled, mirrored and in another light."""
    scale = float(np.exp(draw.uniform(*np.log(SCALES))))
    pixels = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    numbers = torch.from_numpy(labels.astype(np.int64))[None, None]
    numbers = torch.where((numbers < 0) | (numbers >= ignored), IGNORE, numbers)
    size = [round(scale * side) for side in image.shape[:2]]
    pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False)
    numbers = F.interpolate(numbers.float(), size, mode="nearest").long()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    gain = torch.tensor(draw.uniform(0.85, 1.15, (1, 3, 1, 1)) * draw.uniform(0.7, 1.3))
    gamma = float(np.exp(draw.uniform(-0.3, 0.3)))
    pixels = 255 * (pixels / 255).clamp(0, 1) ** gamma * gain.float()
    pixels = (pixels.clamp(0, 255) - mean) / std
    room = [max(0, want - have) for want, have in zip(CROP, size, strict=True)]
    pixels = F.pad(pixels, (0, room[1], 0, room[0]))
    numbers = F.pad(numbers, (0, room[1], 0, room[0]), value=IGNORE)
    top, left = (
        int(draw.integers(0, have - want + 1))
        for have, want in zip(pixels.shape[2:], CROP, strict=True)
    )
    where = (..., slice(top, top + CROP[0]), slice(left, left + CROP[1]))
    pixels, numbers = pixels[where], numbers[where]
    if draw.random() < 0.5:
        pixels, numbers = pixels.flip(3), numbers.flip(3)
    return pixels.contiguous(), numbers[:, 0].contiguous()
