r"""Train auxiliary heads on a Segmenter that stays as it is, by labels.

    python -m benchmarks.distillation.vit.train_heads \
        --checkpoint segmenter_ti.pth --data camvid/train --out segmenter_ti.pth

Since nothing before a head changes, every picture passes the network once, and the heads learn
from the tokens that were kept. A policy that the checkpoint has is kept too, unless
``--without-policy``.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm, trange

from benchmarks.distillation.crops import IGNORE, MEAN, STD
from benchmarks.distillation.vit.new_segmenter import write_segmenter
from benchmarks.distillation.vit.train_segmenter import meta_of
from segpp.datasets.pairs import Pair, find_pairs, load_pair
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.architecture import shape_of
from segpp.export.models.vit.loading import ViTCheckpoint
from segpp.export.models.vit.network import ViT
from segpp.ops.grid import Grid
from segpp.train.learning.tapped import Tapped
from segpp.train.parts.equip import settled

SIZE, CELL = (352, 480), 4
EPOCHS, BATCH, RATE, DECAY = 12, 8, 2e-3, 0.01
# Pictures that the heads' norms begin with.
FEW = 8


@dataclass(frozen=True)
class Seen:
    """The tokens (N, C) of a picture in front of each head, and its labels (H/4, W/4)."""

    tokens: tuple[Tensor, ...]
    labels: Tensor


def main() -> None:
    """Train, and write the weights with mmsegmentation's names in half precision."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    pairs = find_pairs(args.data / "images", args.data / "labels")
    found = cast("ViTCheckpoint", load_checkpoint(args.checkpoint))
    given = found.with_auxiliary_heads(0)
    few = torch.cat([image_of(pair)[0] for pair in pairs[:: len(pairs) // FEW]])
    fresh = given.state.keys() - found.state.keys()
    given = cast("ViTCheckpoint", settled(given, fresh, few))
    network = given.build()
    train(network, seen(network, pairs))
    write(args.out, given, network, policy=not args.without_policy)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without-policy", action="store_true", help="leave one out that is there")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def image_of(pair: Pair) -> tuple[Tensor, Tensor]:
    """Return a picture as a network takes it (1, 3, H, W), and its labels (H/4, W/4)."""
    pixels, labels = load_pair(pair)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    image = (torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) - mean) / std
    image = F.interpolate(image[None], SIZE, mode="bilinear", antialias=True, align_corners=False)
    numbers = torch.from_numpy(labels.astype(np.float32))[None, None]
    small = [side // CELL for side in SIZE]
    return image, F.interpolate(numbers, small, mode="nearest-exact")[0, 0].long()


def seen(network: ViT, pairs: Sequence[Pair]) -> list[Seen]:
    """Return what heads see of each picture."""
    places, tapped = exit_places(network), Tapped(network)
    found = []
    for pair in tqdm(pairs, "running the network"):
        image, labels = image_of(pair)
        with torch.no_grad():
            _, stages, _ = tapped(image)
        tokens = tuple(stages[place][0].half() for place in places)
        known = torch.where(labels < network.architecture.classes, labels, IGNORE)
        found.append(Seen(tokens, known))
    return found


def exit_places(network: ViT) -> list[int]:
    """Return of which blocks, counted from 0, the heads take the tokens."""
    return [block - 2 for block in shape_of(network.architecture).exits]


def train(network: ViT, pictures: Sequence[Seen]) -> None:
    """Train the heads of a network, all else as it is."""
    heads = network.exits.requires_grad_()
    optimizer = torch.optim.AdamW(heads.parameters(), RATE, weight_decay=DECAY)
    steps = EPOCHS * (len(pictures) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    bar = trange(steps, desc="training the heads")
    for _, batch in zip(bar, _batches(pictures), strict=False):
        loss = loss_of(network, batch)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(heads.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")


def _batches(pictures: Sequence[Seen]) -> Iterator[list[Seen]]:
    draw = np.random.default_rng(0)
    while True:
        order = draw.permutation(len(pictures))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield [pictures[int(i)] for i in order[start : start + BATCH]]


def loss_of(network: ViT, batch: Sequence[Seen]) -> Tensor:
    """Return the mean over the heads of the cross entropy of labels."""
    labels = torch.stack([picture.labels for picture in batch])
    # A head takes the tokens of one block; those of the others are not looked at.
    stages = [torch.empty(0)] * len(network.stages)
    for number, place in enumerate(exit_places(network)):
        stages[place] = torch.stack([picture.tokens[number] for picture in batch]).float()
    image = torch.empty(0, 3, *SIZE)
    logits = network.auxiliary_logits(stages, image)
    errors = [
        F.cross_entropy(
            F.interpolate(one, labels.shape[1:], mode="bilinear", align_corners=False),
            labels,
            ignore_index=IGNORE,
        )
        for one in logits
    ]
    return torch.stack(errors).mean()


def write(path: Path, checkpoint: ViTCheckpoint, network: ViT, *, policy: bool) -> None:
    """Write a checkpoint with the weights of a network, and its policy if asked."""
    state = network.state_dict()
    kept = {n: t for n, t in state.items() if policy or not n.startswith("policy.")}
    own = replace(checkpoint, state=kept)
    stored = own.stored(kept)
    half = {n: t.half() if t.is_floating_point() else t for n, t in stored.items()}
    rows, columns = state["patch_embed.positions"].shape[1:3]
    write_segmenter(path, half, Grid(rows, columns), meta_of(checkpoint))


if __name__ == "__main__":
    main()
