r"""Train a network of B0's widths and B2's depths on CamVid, from a trained B0.

    python -m benchmarks.distillation.train_deep \
        --checkpoint b0.pth --data camvid/train --minutes 60 --out b0_deep.pth

The reductions of stage 3 need a network that is deep there, and a B2 is more than a CPU can train
in an hour. It goes on from ``OUT.resume`` where it was stopped.
"""

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.distillation.deeper import b2_depths, deeper
from segpp.datasets.pairs import Pair, find_pairs, load_pair
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.loading import SegFormerCheckpoint, state_dict_for
from segpp.export.models.segformer.model import SegFormer
from segpp.utils.files import atomic_write

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
IGNORE = 255
LEARNING_RATE, WARMUP, DECAY = 4e-4, 0.03, 0.02
SCALES, CROP = (0.6, 1.6), (320, 448)
KEPT_SECONDS = 120
AVERAGED = 0.998

Batch = tuple[Tensor, Tensor]


def main() -> None:
    """Train, and write the weights with mmsegmentation's names in half precision."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    checkpoint = cast("SegFormerCheckpoint", load_checkpoint(args.checkpoint))
    pairs = find_pairs(args.data / "images", args.data / "labels")
    model = train(deeper(checkpoint, b2_depths()), pairs, args)
    save(model, checkpoint, args.out)


def train(model: SegFormer, pairs: tuple[Pair, ...], args: argparse.Namespace) -> SegFormer:
    """Return the moving average of the weights after ``args.minutes``."""
    # The head's statistics are those of the trained network, and the batch is small.
    model.eval()
    ignored = model.architecture.classes
    average = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=DECAY)
    kept, seconds, step = args.out.with_name(args.out.name + ".resume"), 0.0, 0
    if kept.exists():
        state = torch.load(kept, weights_only=True)  # noqa: TID251 - its own, and no code
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average, seconds, step = state["average"], state["seconds"], state["step"]
    batches, bar = ahead(pairs, args.batch, ignored, step), tqdm(desc="training", unit="step")
    saved = time.monotonic()
    while (share := seconds / (60 * args.minutes)) < 1:
        start = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(share / WARMUP, (1 - share) ** 0.9)
        loss = loss_of(model, next(batches))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        follow(average, model)
        step, seconds = step + 1, seconds + time.monotonic() - start
        bar.update()
        bar.set_postfix(loss=f"{loss.item():.3f}", share=f"{share:.3f}")
        if time.monotonic() - saved > KEPT_SECONDS:
            keep(kept, model, optimizer, average, seconds, step)
            saved = time.monotonic()
    keep(kept, model, optimizer, average, seconds, step)
    model.load_state_dict(average)
    return model


def keep(  # noqa: PLR0917 - all of a training's state
    path: Path,
    model: SegFormer,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
    seconds: float,
    step: int,
) -> None:
    """Write what goes on from here."""
    with atomic_write(path) as (part,):
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average,
                "seconds": seconds,
                "step": step,
            },
            part,
        )


def follow(average: dict[str, Tensor], model: SegFormer) -> None:
    """Move the average towards the model."""
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - AVERAGED)


def loss_of(model: SegFormer, batch: Batch) -> Tensor:
    """Return the cross-entropy at full resolution; the forward pass is in bfloat16."""
    images, labels = batch
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(images)
    full = F.interpolate(logits.float(), labels.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(full, labels, ignore_index=IGNORE)


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


def save(model: SegFormer, checkpoint: SegFormerCheckpoint, out: Path) -> None:
    """Write the weights with mmsegmentation's names, in half precision, classes beside them."""
    names = state_dict_for("mmsegmentation", model.state_dict())
    half = {
        name: value.half() if value.is_floating_point() else value for name, value in names.items()
    }
    meta: dict[str, Any] = {}
    if checkpoint.classes:
        palette = [list(color) for color in checkpoint.classes.palette]
        meta = {"dataset_meta": {"classes": list(checkpoint.classes.names), "palette": palette}}
    with atomic_write(out) as (part,):
        torch.save({"meta": meta, "state_dict": half}, part)


if __name__ == "__main__":
    main()
