r"""How much faster the settings are, every file in turn, round by round.

    python -m benchmarks.frontier.speed b5 --size 1024x1024 --backend openvino \
        --settings none hq "hq + 3.grid" --out docs/results/trade_offs/speed.json

``plain`` (with ``--plain``) is what a user would export instead: transformers' network by
``torch.onnx.export``, or of the other head, which has no such package, ours with every rewrite off.
A size's name means random weights, with which labels and merged tokens mean nothing and times are
the same; channels are chosen on the bundled picture. The network alone is timed.
"""

import argparse
import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common.interleaved import interleaved, opened, place, street, summary
from benchmarks.distillation.new_segmenter import new_segmenter, write_segmenter
from benchmarks.frontier.files import cost, written
from benchmarks.frontier.settings import ALL
from benchmarks.networks.baselines import export_own, export_transformers, write_random
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.segformer.architecture import SIZES
from segpp.export.targets import PORTABLE, TARGETS
from segpp.images import sample_image
from segpp.manifest import read_manifest
from segpp.ops.grid import Grid, Size, parse_size
from segpp.utils.files import check_writable

# Random plain ViTs: blocks, side of a patch, classes of Cityscapes, channels of a token.
DEPTH, PATCH, CLASSES = 12, 16, 19
SEGMENTERS = {"segmenter-ti": 192, "segmenter-s": 384, "segmenter-b": 768}


def main() -> None:
    """Measure, and add the rows to the result."""
    args = _arguments()
    check_writable(args.out)
    with TemporaryDirectory() as folder:
        rows = measure(args, Path(folder))
    runs = json.loads(args.out.read_text(encoding="utf-8"))["runs"] if args.out.exists() else []
    runs.append(
        {
            "network": args.source if _is_random(args.source) else Path(args.source).name,
            "head": args.head,
            "size": str(args.size),
            "target": args.target,
            "rounds": args.rounds,
            **place(args.threads, args.backend),
            "rows": rows,
        }
    )
    args.out.write_text(json.dumps({"runs": runs}, indent=2) + "\n", encoding="utf-8")
    for name, row in rows.items():
        print(f"{name:45} {row['median_ms']:8.1f} ms {row['faster']:5.2f}x")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "source", metavar="FILE|SIZE", help="a checkpoint, b0 to b5, or segmenter-ti, -s, -b"
    )
    parser.add_argument("--size", type=parse_size, default=Size(1024, 1024), metavar="HxW")
    parser.add_argument("--settings", nargs="+", choices=ALL, metavar="NAME", required=True)
    parser.add_argument("--plain", action="store_true", help="a plain export first")
    parser.add_argument("--head", default="linear", help="of the network, for the result")
    parser.add_argument("--target", choices=TARGETS, default=PORTABLE)
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--decoder", type=int, default=256, help="channels of a random head")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    return parser.parse_args()


def measure(args: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """Return times and cost of every file, beside the first."""
    source = _source(args, folder)
    files, costs = {}, {}
    if args.plain:
        files["plain"] = folder / "plain.onnx"
        _export_plain(source, files["plain"], args)
    for number, name in enumerate(args.settings):
        files[name] = folder / f"{number}.onnx"
        # The tests and every other benchmark run the gate.
        manifest = written(
            source, files[name], ALL[name], args.size, [sample_image()],
            target=args.target, check=False,
        )  # fmt: skip
        costs[name] = cost(files[name], manifest)
    with ExitStack() as stack:
        runners = {name: _runner(stack, file, args) for name, file in files.items()}
        rows = summary(interleaved(runners, args.rounds))
    return {name: {**row, **costs.get(name, {})} for name, row in rows.items()}


def _is_random(source: str) -> bool:
    return source in SIZES or source in SEGMENTERS


def _source(args: argparse.Namespace, folder: Path) -> Path:
    """Return the checkpoint, or random weights of a network of that name."""
    path = folder / "random.pth"
    if args.source in SIZES:
        write_random(args.source, args.decoder, path)
    elif args.source in SEGMENTERS:
        grid = Grid(args.size.height // PATCH, args.size.width // PATCH)
        weights = new_segmenter(SEGMENTERS[args.source], DEPTH, PATCH, grid, CLASSES)
        write_segmenter(path, weights, grid, {})
    else:
        return Path(args.source)
    return path


def _export_plain(source: Path, path: Path, args: argparse.Namespace) -> None:
    checkpoint = load_checkpoint(source)
    if checkpoint.architecture.head == "linear":
        manifest = export_own(source, path.with_name("own.onnx"), args.size, check=False)
        export_transformers(checkpoint, path, manifest)
    else:
        export_own(source, path, args.size, check=False)


def _runner(stack: ExitStack, file: Path, args: argparse.Namespace) -> Any:
    backend = opened(stack, file, backend=args.backend, threads=args.threads)
    manifest = read_manifest(file)
    feeds = {manifest.input.name: street(manifest.input)}
    return partial(backend.run, feeds, [manifest.outputs[0].name])


if __name__ == "__main__":
    main()
