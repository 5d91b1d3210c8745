r"""Train a network of B0's widths and B2's depths on CamVid, from a trained B0.

    python -m benchmarks.distillation.train_deep \
        --checkpoint b0.pth --data camvid/train --minutes 60 --out b0_deep.pth

The reductions of stage 3 need a network that is deep there, and a B2 is more than a CPU can train
in an hour. It goes on from ``OUT.resume`` where it was stopped.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.distillation.averaged import Plan, train
from benchmarks.distillation.crops import IGNORE, Batch, ahead
from benchmarks.distillation.deeper import b2_depths, deeper
from segpp.datasets.pairs import find_pairs
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.loading import SegFormerCheckpoint, state_dict_for
from segpp.export.models.segformer.model import SegFormer
from segpp.utils.files import atomic_write


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
    # The head's statistics are those of the trained network, and the batch is small.
    model = deeper(checkpoint, b2_depths()).eval()
    train(
        model,
        partial(loss_of, model),
        partial(ahead, pairs, args.batch, model.architecture.classes),
        Plan(60 * args.minutes, args.out.with_name(args.out.name + ".resume")),
    )
    save(model, checkpoint, args.out)


def loss_of(model: SegFormer, batch: Batch) -> Tensor:
    """Return the cross-entropy at full resolution; the forward pass is in bfloat16."""
    images, labels = batch
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(images)
    full = F.interpolate(logits.float(), labels.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(full, labels, ignore_index=IGNORE)


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
