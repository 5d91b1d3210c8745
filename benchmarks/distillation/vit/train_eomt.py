r"""Train a small EoMT on CamVid, by labels and by what a trained network says.

    python -m benchmarks.distillation.vit.train_eomt \
        --start segmenter_ti.pth --teacher b0.pth --data camvid/train --minutes 60 --out eomt_ti

Its encoder begins as that of a trained Segmenter, its queries and its head with random weights. It
goes on where it was stopped, from ``OUT/resume``, which is removed at the end.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from benchmarks.distillation.averaged import Plan, train
from benchmarks.distillation.vit.new_eomt import EomtSize, begin_as, new_eomt, write_eomt
from benchmarks.distillation.vit.train_segmenter import loss_of
from benchmarks.distillation.vit.windows import View, ahead, taught
from segpp.datasets.pairs import find_pairs
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.network import Network
from segpp.export.models.vit.loading import ViTCheckpoint

SIZE = EomtSize(
    hidden_size=192, num_hidden_layers=12, num_blocks=3, num_attention_heads=3, image_size=384,
    num_queries=24, num_register_tokens=0,
)  # fmt: skip
VIEW, BATCH, RATE, DECAY = View((256, 352), (0.75, 1.25)), 6, 6e-4, 0.05


def main() -> None:
    """Train, and write the weights as transformers does, in half precision."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    teacher = load_checkpoint(args.teacher)
    if teacher.classes is None:
        raise SystemExit(f"{args.teacher} does not say what its classes are called")
    # Read before anything is written.
    start = load_checkpoint(args.start).build()
    pairs = find_pairs(args.data / "images", args.data / "labels")
    fresh = load_checkpoint(new_eomt(SIZE, teacher.classes.names, args.out))
    student = cast("ViTCheckpoint", fresh)
    network = cast("Network", student.build())
    begin_as(network, start)
    network.train().requires_grad_()
    pictures = taught(pairs, teacher.build().eval(), teacher.architecture.classes)
    plan = Plan(60 * args.minutes, args.out / "resume", RATE, DECAY)
    loss = partial(loss_of, partial(log_sums, network))
    train(network, loss, partial(ahead, pictures, VIEW, BATCH), plan)
    write_eomt(args.out, student.stored(network.state_dict()), SIZE)
    plan.kept.unlink(missing_ok=True)


def log_sums(network: Network, images: Tensor) -> Tensor:
    """Return the logarithms (B, K, H, W) of what the masks say together of images."""
    return network.learned_logits(network(images))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--start", type=Path, required=True, help="a Segmenter of its width")
    parser.add_argument("--teacher", type=Path, required=True, help="a checkpoint of the classes")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
