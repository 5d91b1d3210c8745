"""Train the bundled SegFormer-B0 on drawn scenes, from random weights.

    python -m examples.street_scenes.train --minutes 60 segformer_b0_scenes.pth

Scenes are drawn once at sizes from 256x512 to 512x1024; every step takes random crops of them,
small ones first, because early steps need number more than context.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from examples.street_scenes.renderer.labels import IGNORE, NAMES, PALETTE
from examples.street_scenes.renderer.scene import draw_scene
from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.loading import state_dict_for
from segpp.export.models.segformer.model import SegFormer
from segpp.utils.files import atomic_write

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
LEARNING_RATE = 1.2e-3
WARMUP = 0.03

Scene = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True)
class Phase:
    """Until which share of the time which crops are used."""

    until: float
    crop: tuple[int, int]
    batch: int


PHASES = (Phase(0.45, (128, 256), 8), Phase(0.8, (192, 384), 8), Phase(1.01, (256, 512), 6))


def main() -> None:
    """Train, and write the weights with mmsegmentation's names in half precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--scenes", type=int, default=1600)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    scenes = draw_pool(args.scenes)
    model = train(scenes, args.minutes * 60)
    save(model, args.out)


def draw_pool(count: int) -> list[Scene]:
    """Draw the training scenes; their seeds are below those of any evaluation."""
    rng = np.random.default_rng(0)
    heights = rng.integers(16, 33, count) * 16
    sized = enumerate(heights.tolist())
    return [draw_scene(seed, h, 2 * h) for seed, h in tqdm(sized, "drawing", total=count)]


def train(scenes: list[Scene], seconds: float) -> SegFormer:
    """Return the moving average of the weights after ``seconds`` of training."""
    numerics = Numerics(1e-6, 1e-6, 1e-6, 1e-6)
    model = initialized(SegFormer(segformer("b0", classes=len(NAMES)), numerics)).train()
    decay = get_ema_multi_avg_fn(0.997)  # type: ignore[no-untyped-call]  # torch's own
    average = AveragedModel(model, multi_avg_fn=decay, use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=0.02)
    rng, weights = np.random.default_rng(1), class_weights(scenes)
    bar, start = tqdm(desc="training", unit="step"), time.monotonic()
    while (share := (time.monotonic() - start) / seconds) < 1:
        phase = next(phase for phase in PHASES if share < phase.until)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(share / WARMUP, (1 - share) ** 0.9)
        images, labels = batch_of(scenes, phase, rng)
        loss = loss_of(model, images, labels, weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        average.update_parameters(model)
        bar.update()
        if bar.n % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}", share=f"{share:.2f}")
    model.load_state_dict(average.module.state_dict())
    return model.eval()


def initialized(model: SegFormer) -> SegFormer:
    """Give the linear layers the small weights that transformers start from."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, 0, (2 * module.groups / fan_out) ** 0.5)
    return model


def loss_of(model: SegFormer, images: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted cross-entropy at full resolution; the forward pass is in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(images)
    full = F.interpolate(logits.float(), labels.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(full, labels, weights, ignore_index=IGNORE)


def class_weights(scenes: list[Scene]) -> Tensor:
    """Return the weight of each class: rarer classes count more, by the root of their share."""
    counts = sum(np.bincount(label.ravel(), minlength=256)[: len(NAMES)] for _, label in scenes)
    share = torch.as_tensor(np.maximum(counts, 1) / np.sum(counts))
    weights = share.float() ** -0.4
    return weights / (weights * share).sum()


def batch_of(scenes: list[Scene], phase: Phase, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return normalized crops (B, 3, h, w) and their labels (B, h, w)."""
    crops = [
        crop_of(scenes[i], phase.crop, rng) for i in rng.integers(len(scenes), size=phase.batch)
    ]
    images = torch.stack([torch.from_numpy(image) for image, _ in crops]).permute(0, 3, 1, 2)
    labels = torch.stack([torch.from_numpy(label).long() for _, label in crops])
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return ((images - mean) / std).contiguous(), labels


def crop_of(
    scene: Scene, size: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return a random crop, mirrored half of the time, its colors shifted a little."""
    image, label = scene
    top, left = (
        rng.integers(0, have - want + 1) for have, want in zip(label.shape, size, strict=True)
    )
    where = np.s_[top : top + size[0], left : left + size[1]]
    image, label = image[where], label[where]
    if rng.random() < 0.5:
        image, label = image[:, ::-1], label[:, ::-1]
    gain, shift = rng.uniform(0.75, 1.25, 3) * rng.uniform(0.8, 1.2), rng.uniform(-16, 16)
    pixels = image.astype(np.float32) * gain.astype(np.float32) + np.float32(shift)
    return np.clip(pixels, 0, 255), np.ascontiguousarray(label)


def save(model: SegFormer, out: Path) -> None:
    """Write the weights with mmsegmentation's names, in half precision, classes beside them."""
    names = state_dict_for("mmsegmentation", model.state_dict())
    half = {
        name: value.half() if value.is_floating_point() else value for name, value in names.items()
    }
    classes = {"classes": list(NAMES), "palette": [list(color) for color in PALETTE]}
    with atomic_write(out) as (part,):
        torch.save({"meta": {"dataset_meta": classes}, "state_dict": half}, part)


if __name__ == "__main__":
    main()
