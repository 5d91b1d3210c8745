r"""Train a small Segmenter on CamVid from nothing, by labels and by what a trained network says.

    python -m benchmarks.distillation.train_segmenter \
        --teacher b0.pth --data camvid/train --minutes 60 --out segmenter_ti.pth

A ViT without pretraining learns little from a few hundred pictures; a SegFormer that was trained on
them tells it more of every pixel than its label does. It goes on from ``OUT.resume`` where it was
stopped.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.distillation.averaged import Plan, train
from benchmarks.distillation.crops import CROP, IGNORE, Batch, ahead
from benchmarks.distillation.new_segmenter import new_segmenter, write_segmenter
from segpp.datasets.pairs import find_pairs
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.loading import ViTCheckpoint
from segpp.ops.grid import Grid

PATCH, DEPTH, DIMS = 16, 12, {"ti": 192, "s": 384}
RATE, DECAY = 1e-3, 0.05


def main() -> None:
    """Train, and write the weights with mmsegmentation's names in half precision."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    teacher = load_checkpoint(args.teacher)
    grid = Grid(CROP[0] // PATCH, CROP[1] // PATCH)
    fresh = args.out.with_name(args.out.name + ".fresh")
    classes = teacher.architecture.classes
    weights = new_segmenter(DIMS[args.network], DEPTH, PATCH, grid, classes)
    write_segmenter(fresh, weights, grid, _meta(teacher))
    student = cast("ViTCheckpoint", load_checkpoint(fresh))
    model = student.build().train()
    pairs = find_pairs(args.data / "images", args.data / "labels")
    train(
        model.requires_grad_(),
        partial(loss_of, model, teacher.build().eval()),
        partial(ahead, pairs, args.batch, classes),
        Plan(60 * args.minutes, args.out.with_name(args.out.name + ".resume"), RATE, DECAY),
    )
    state = student.stored(model.state_dict())
    half = {name: value.half() for name, value in state.items()}
    write_segmenter(args.out, half, grid, _meta(teacher))
    fresh.unlink()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", type=Path, required=True, help="a checkpoint of the classes")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", choices=DIMS, default="ti")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def loss_of(model: nn.Module, teacher: nn.Module, batch: Batch) -> Tensor:
    """Return the cross entropy of labels, and the divergence of masks; steps are in bfloat16."""
    images, labels = batch
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(images)
        with torch.no_grad():
            said = teacher(images)
    logits, said = (
        F.interpolate(one.float(), labels.shape[1:], mode="bilinear", align_corners=False)
        for one in (logits, said)
    )
    own = F.log_softmax(logits, 1)
    divergence = F.kl_div(own, F.log_softmax(said, 1), reduction="none", log_target=True)
    return F.nll_loss(own, labels, ignore_index=IGNORE) + divergence.sum(1).mean()


def _meta(checkpoint: Checkpoint) -> dict[str, object]:
    if not checkpoint.classes:
        return {}
    palette = [list(color) for color in checkpoint.classes.palette]
    return {"classes": list(checkpoint.classes.names), "palette": palette}


if __name__ == "__main__":
    main()
