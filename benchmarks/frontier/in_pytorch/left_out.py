r"""What each block of the third stage is worth: accuracy without it.

    python -m benchmarks.frontier.in_pytorch.left_out --checkpoint deep.pth \
        --unseen camvid/unseen --val camvid/val --out docs/results/trade_offs/left_out_deep.json

A reduction of a stage says little of a network whose blocks there do nothing. A block is left out
by zeros in the two layers that it adds to its tokens through.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch
from tqdm import tqdm

from benchmarks.frontier.files import scored, written
from benchmarks.frontier.settings import SETTINGS
from benchmarks.frontier.tables import left_out_table
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.loading import SegFormerCheckpoint, state_dict_for
from segpp.ops.grid import Size, parse_size
from segpp.utils.files import check_writable

WHOLE, ALL = "none", "all"
_LAST = ("attention.out", "ffn.fc2")


def main() -> None:
    """Leave each block out in turn, then all, and write the scores."""
    args = _arguments()
    check_writable(args.out)
    checkpoint = cast("SegFormerCheckpoint", load_checkpoint(args.checkpoint))
    depth = checkpoint.architecture.depths[args.stage - 1]
    cases: dict[str, list[int]] = {WHOLE: [], **{str(n + 1): [n] for n in range(depth)}}
    cases[ALL] = list(range(depth))
    with TemporaryDirectory() as folder:
        files = {
            name: _without(checkpoint, blocks, Path(folder) / f"{name}.onnx", args)
            for name, blocks in tqdm(cases.items(), "exporting")
        }
        data = {"unseen": args.unseen, "val": args.val}
        rows = scored(files, data, threads=args.threads, limit=args.limit)
    found = {
        "checkpoint": args.checkpoint.name,
        "stage": args.stage,
        "size": str(args.size),
        "rows": [{"left_out": name, **row} for name, row in rows.items()],
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(left_out_table(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--unseen", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--stage", type=int, default=3)
    parser.add_argument("--size", type=parse_size, default=Size(352, 480), metavar="HxW")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, help="how many pictures")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    return parser.parse_args()


def _without(
    checkpoint: SegFormerCheckpoint, blocks: list[int], path: Path, args: argparse.Namespace
) -> Path:
    state = dict(checkpoint.build().state_dict())
    for block in blocks:
        start = tuple(f"stages.{args.stage - 1}.blocks.{block}.{layer}" for layer in _LAST)
        state |= {n: torch.zeros_like(t) for n, t in state.items() if n.startswith(start)}
    source = path.with_suffix(".pth")
    torch.save(state_dict_for("mmsegmentation", state), source)
    written(source, path, SETTINGS["none"], args.size, check=False)
    return path


if __name__ == "__main__":
    main()
