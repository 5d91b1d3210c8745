r"""Where half a grid in the third stage loses its points: its parts on it, one by one.

    python -m benchmarks.frontier.in_pytorch.half_grid --checkpoint b0.pth \
        --unseen camvid/unseen --val camvid/val --out docs/results/trade_offs/half_grid.json

Each part of the blocks of stage 3 works on the smaller grid by itself: its tokens are pooled, and
what it adds is resized. Nothing is trained, and PyTorch computes.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.common.scoring import Labels
from benchmarks.frontier.tables import half_grid_table
from segpp.datasets.pairs import find_pairs
from segpp.export.config import ExportConfig
from segpp.export.config.resolve import resolve_input
from segpp.export.models.base import Checkpoint
from segpp.export.models.layers import nchw_to_tokens, tokens_to_nchw
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.model import Block, MixFfn, SegFormer, Stage
from segpp.export.reduction.assignments.grid_pool import AreaPool
from segpp.images.postprocess import resize_argmax
from segpp.images.preprocess import ImageArray, prepare
from segpp.ops.grid import Grid, Size, parse_size
from segpp.runtime.evaluation import Segmenter, evaluate
from segpp.utils.files import check_writable

STAGE = 3

# Adds to tokens (B, N, C) on their grid what a part of a block makes of them.
Part = Callable[[Tensor, Grid], Tensor]


class OnHalf(nn.Module):
    """A block of which some parts work on half of the rows and columns.

    Args:
        block: The block.
        attention: Whether its attention does.
        ffn: What of its feed-forward part does: nothing, ``columns`` alone, its ``output``, which
            is pooled before its second layer, or ``all``.
    """

    def __init__(self, block: Block, *, attention: bool = False, ffn: str = "") -> None:
        super().__init__()
        self.block, self.attention, self.ffn = block, attention, ffn

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Transform tokens (B, N, C) on their grid."""
        block = self.block
        half = Grid((grid.height + 1) // 2, (grid.width + 1) // 2)
        columns = Grid(grid.height, half.width)

        def attend(y: Tensor, on: Grid) -> Tensor:
            return cast("Tensor", block.attention(block.norm1(y), on))

        def transform(y: Tensor, on: Grid) -> Tensor:
            return cast("Tensor", block.ffn(block.norm2(y), on))

        x = x + (_on(half, attend, x, grid) if self.attention else attend(x, grid))
        if self.ffn == "output":
            return x + _output_on(half, block.ffn, block.norm2(x), grid)
        smaller = {"": grid, "columns": columns, "all": half}[self.ffn]
        return x + (transform(x, grid) if smaller == grid else _on(smaller, transform, x, grid))


def _on(small: Grid, part: Part, x: Tensor, grid: Grid) -> Tensor:
    pool = AreaPool(grid, small)
    return pool.unmerge(part(pool.merge(x), small))


def _output_on(small: Grid, ffn: MixFfn, x: Tensor, grid: Grid) -> Tensor:
    """Return what the feed-forward part gives, its first layer and convolution on all tokens."""
    pool = AreaPool(grid, small)
    hidden = nchw_to_tokens(ffn.dwconv(tokens_to_nchw(ffn.fc1(x), grid)))
    return pool.unmerge(ffn.fc2(pool.merge(ffn.activation(hidden))))


PARTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "attention": {"attention": True},
    "feed-forward part": {"ffn": "all"},
    "feed-forward part, columns alone": {"ffn": "columns"},
    "feed-forward part, behind its convolution": {"ffn": "output"},
    "both": {"attention": True, "ffn": "all"},
}


def main() -> None:
    """Score every part and write what was found."""
    args = _arguments()
    check_writable(args.out)
    checkpoint = load_checkpoint(args.checkpoint)
    segmenters = [_segmenter(checkpoint, how, args.size) for how in PARTS.values()]
    rows: list[dict[str, Any]] = [{"on_half": name} for name in PARTS]
    for data in ("unseen", "val"):
        for row, miou in zip(rows, _mious(segmenters, checkpoint, args, data), strict=True):
            row[data] = miou
    found = {"checkpoint": args.checkpoint.name, "stage": STAGE, "size": str(args.size)}
    args.out.write_text(json.dumps({**found, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    print(half_grid_table({**found, "rows": rows}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--unseen", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--size", type=parse_size, default=Size(352, 480), metavar="HxW")
    parser.add_argument("--limit", type=int, help="how many pictures")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    return parser.parse_args()


def _segmenter(checkpoint: Checkpoint, how: dict[str, Any], size: Size) -> Segmenter:
    network = cast("SegFormer", checkpoint.build())
    stage = cast("Stage", network.stages[STAGE - 1])
    stage.blocks = nn.ModuleList(OnHalf(cast("Block", block), **how) for block in stage.blocks)
    # As the network was trained.
    config = ExportConfig(Path(), Path(), size=size, fit="stretch")
    spec = resolve_input(config, checkpoint)

    def labels(image: ImageArray, shape: tuple[int, int]) -> Labels:
        with torch.inference_mode():
            logits = network(torch.from_numpy(prepare([image], spec))).numpy()
        found: Labels = resize_argmax(logits, shape, align_corners=checkpoint.align_corners)[0]
        return found

    return labels


def _mious(
    segmenters: list[Segmenter], checkpoint: Checkpoint, args: argparse.Namespace, data: str
) -> list[float]:
    folder: Path = getattr(args, data)
    pairs = find_pairs(folder / "images", folder / "labels")[: args.limit]
    classes = checkpoint.architecture.classes
    with tqdm(total=len(pairs), desc=data) as bar:
        found = evaluate(
            segmenters, pairs, classes=classes, ignored=(classes, 255), after_each=bar.update
        )
    return [score.confusion.miou for score in found.scores]


if __name__ == "__main__":
    main()
