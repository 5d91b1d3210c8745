r"""What every reduction costs in accuracy as it is, beside what it takes.

    python -m benchmarks.frontier.untrained --checkpoint b0.pth \
        --unseen camvid/unseen --val camvid/val --train camvid/train \
        --out docs/results/trade_offs/frontier_b0.json

Each setting is exported through the public function, passes its gate, and is scored in ONNX Runtime
on pictures of which none was trained on and on those nearly seen in training. Channels that are cut
are chosen on pictures of ``--train``. Nothing is timed.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from benchmarks.frontier.files import cost, scored, search_images, written
from benchmarks.frontier.settings import ALL, Setting, chosen
from segpp.export.models.loading import load_checkpoint
from segpp.ops.grid import Size, parse_size
from segpp.utils.files import check_writable


def main() -> None:
    """Export and score every setting, and write the rows."""
    args = _arguments()
    check_writable(args.out)
    settings = chosen(args.settings, load_checkpoint(args.checkpoint).architecture)
    with TemporaryDirectory() as folder:
        rows = measure(settings, Path(folder), args)
    found = {"checkpoint": args.checkpoint.name, "size": str(args.size), "rows": rows}
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--unseen", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True, help="to choose channels on")
    parser.add_argument("--size", type=parse_size, default=Size(352, 480), metavar="HxW")
    parser.add_argument("--settings", nargs="+", choices=ALL, metavar="NAME")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, help="how many pictures")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    return parser.parse_args()


def measure(
    settings: Mapping[str, Setting], folder: Path, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return a row for each setting; agreement is with the first."""
    files, rows = {}, []
    searched = search_images(args.train)
    for number, (name, setting) in enumerate(tqdm(settings.items(), "exporting")):
        files[name] = folder / f"{number}.onnx"
        manifest = written(args.checkpoint, files[name], setting, args.size, searched)
        rows.append(
            {
                "setting": name,
                "group": setting.group,
                "preset": setting.preset,
                "reduce": list(setting.reduce),
                **cost(files[name], manifest),
            }
        )
    data = {"unseen": args.unseen, "val": args.val}
    scores = scored(files, data, threads=args.threads, limit=args.limit)
    return [{**row, **scores[str(row["setting"])]} for row in rows]


if __name__ == "__main__":
    main()
