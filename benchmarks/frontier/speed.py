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
from benchmarks.common.random_network import NAMES, random_network
from benchmarks.frontier.files import cost, written
from benchmarks.frontier.settings import ALL
from benchmarks.networks.baselines import export_own, export_transformers
from segpp.export.models.loading import load_checkpoint
from segpp.export.targets import PORTABLE, TARGETS
from segpp.images import sample_image
from segpp.manifest import read_manifest
from segpp.ops.grid import Size, parse_size
from segpp.utils.files import check_writable


def main() -> None:
    """Measure, and add the rows to the result."""
    args = _arguments()
    check_writable(args.out)
    with TemporaryDirectory() as folder:
        rows = measure(args, Path(folder))
    runs = json.loads(args.out.read_text(encoding="utf-8"))["runs"] if args.out.exists() else []
    runs.append(
        {
            "network": args.source if args.source in NAMES else Path(args.source).name,
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
        "source", metavar="FILE|SIZE", help=f"a checkpoint, or one of {', '.join(NAMES)}"
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
    random = args.source in NAMES
    source = (
        random_network(args.source, args.size, args.decoder, folder)
        if random
        else Path(args.source)
    )
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
