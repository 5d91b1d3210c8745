r"""Train a small Segmenter on CamVid from nothing, by labels and by what a trained network says.

    python -m benchmarks.distillation.vit.train_segmenter \
        --teacher b0.pth --data camvid/train --minutes 60 --out segmenter_ti.pth

A ViT without pretraining learns little from a few hundred pictures; a SegFormer that was trained on
them tells it more of every pixel than its label does. First it sees whole scenes at half their
size, which takes a quarter of the time, then windows as large as they are. It goes on where it was
stopped, from ``OUT.160.resume`` and ``OUT.320.resume``, which are removed at the end.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.distillation.averaged import Plan, train
from benchmarks.distillation.crops import IGNORE
from benchmarks.distillation.vit.new_segmenter import new_segmenter, write_segmenter
from benchmarks.distillation.vit.windows import Batch, View, ahead, taught
from segpp.datasets.pairs import find_pairs
from segpp.export.models.base import Checkpoint
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.vit.loading import ViTCheckpoint
from segpp.ops.grid import Grid

PATCH, DEPTH, DIMS = 16, 12, {"ti": 192, "s": 384}
DECAY = 0.05
FAR, NEAR = View((160, 224), (0.48, 0.8)), View((320, 448), (0.95, 1.5))
# Windows of a batch, and the highest learning rate.
BATCHES = {FAR: (16, 1e-3), NEAR: (4, 3e-4)}


def main() -> None:
    """Train, and write the weights with mmsegmentation's names in half precision."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    teacher = load_checkpoint(args.teacher)
    grid, classes = Grid(*(side // PATCH for side in NEAR.crop)), teacher.architecture.classes
    fresh = args.out.with_name(args.out.name + ".fresh")
    meta = meta_of(teacher)
    write_segmenter(
        fresh, new_segmenter(DIMS[args.network], DEPTH, PATCH, grid, classes), grid, meta
    )
    student = cast("ViTCheckpoint", load_checkpoint(fresh))
    model = student.build().train().requires_grad_()
    pairs = find_pairs(args.data / "images", args.data / "labels")
    pictures = taught(pairs, teacher.build().eval(), classes)
    plans = {
        view: Plan(60 * minutes, _kept(args.out, view), BATCHES[view][1], DECAY)
        for view, minutes in ((FAR, args.minutes), (NEAR, args.near))
    }
    for view, plan in plans.items():
        train(
            model, partial(loss_of, model), partial(ahead, pictures, view, BATCHES[view][0]), plan
        )
    state = student.stored(model.state_dict())
    half = {name: value.half() for name, value in state.items()}
    write_segmenter(args.out, half, grid, meta)
    for path in (fresh, *(plan.kept for plan in plans.values())):
        path.unlink(missing_ok=True)


def _kept(out: Path, view: View) -> Path:
    return out.with_name(f"{out.name}.{view.crop[0]}.resume")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", type=Path, required=True, help="a checkpoint of the classes")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", choices=DIMS, default="ti")
    parser.add_argument("--minutes", type=float, default=40, help="at half the size")
    parser.add_argument("--near", type=float, default=20, help="minutes at the whole size")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def loss_of(model: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
    """Return the cross entropy of labels, and the divergence from what the teacher says."""
    images, labels, said = batch
    logits = F.interpolate(model(images), labels.shape[1:], mode="bilinear", align_corners=False)
    own = F.log_softmax(logits, 1)
    divergence = F.kl_div(own, said, reduction="none").sum(1).mean()
    return F.nll_loss(own, labels, ignore_index=IGNORE) + divergence


def meta_of(checkpoint: Checkpoint) -> dict[str, object]:
    """Return the classes and colours of a checkpoint as mmsegmentation saves them."""
    if not checkpoint.classes:
        return {}
    palette = [list(color) for color in checkpoint.classes.palette]
    return {"classes": list(checkpoint.classes.names), "palette": palette}


if __name__ == "__main__":
    main()
