"""How much faster B0 gets at a large input, for each of the two decode heads that are about.

    python -m benchmarks.networks.decode_heads --out docs/results/decode_heads_b0_1024x2048.json

transformers' head is linear; mmsegmentation's has a convolution, BatchNorm and ReLU before the
classifier, and folds less. Of each head four files run in turn, round by round: what a plain export
of the same network is (transformers' own by ``torch.onnx.export``; for the other head, which has no
such package, ours with every rewrite off), and ``none``, ``hq`` and ``fast`` as ``--target``
writes them; and ``hq`` as OpenVINO runs its portable file, in FP32 and in INT8 (all products, by
``segpp-calibrate`` on drawn scenes). The linear head has random weights; the other is the bundled
checkpoint, so that its labels mean something. The network alone is timed.
"""

import argparse
import json
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common.interleaved import (
    equal_share,
    interleaved,
    labels_of,
    opened,
    place,
    street,
    summary,
)
from benchmarks.networks.baselines import export_own, export_transformers, write_random
from examples.demo.__main__ import CHECKPOINT
from examples.street_scenes.draw import write_scenes
from segpp import calibrate, export_onnx
from segpp.export.models.loading import load_checkpoint
from segpp.export.targets import ONNXRUNTIME, TARGETS
from segpp.manifest import read_manifest
from segpp.ops.grid import Size, parse_size
from segpp.utils.files import check_writable

PRESETS = ("none", "hq", "fast")
# Files that OpenVINO runs.
OPENVINO, INT8 = "hq-openvino", "hq-int8-openvino"
LINEAR, CONV = "linear (transformers)", "conv-BN-ReLU (mmsegmentation)"


def main() -> None:
    """Measure both heads and write the result."""
    args = _arguments()
    check_writable(args.out)
    with TemporaryDirectory() as folder:
        files = {LINEAR: _linear(Path(folder), args), CONV: _conv(Path(folder), args)}
        heads = {head: _measure(one, args) for head, one in files.items()}
    found = {
        "network": "segformer-b0",
        "size": str(args.size),
        "target": args.target,
        "rounds": args.rounds,
        **place(args.threads, "onnxruntime"),
        "heads": heads,
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=parse_size, default=Size(1024, 2048), metavar="HxW")
    parser.add_argument("--target", choices=TARGETS, default=ONNXRUNTIME)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json")
    return parser.parse_args()


def _linear(folder: Path, args: argparse.Namespace) -> dict[str, Path]:
    source, plain = folder / "linear.pth", folder / "linear-plain.onnx"
    write_random("b0", 256, source)
    manifest = export_own(source, folder / "linear-own.onnx", args.size)
    export_transformers(load_checkpoint(source), plain, manifest)
    return {"plain": plain, **_presets(source, "linear", folder, args)}


def _conv(folder: Path, args: argparse.Namespace) -> dict[str, Path]:
    plain = folder / "conv-plain.onnx"
    export_own(CHECKPOINT, plain, args.size)
    return {"plain": plain, **_presets(CHECKPOINT, "conv", folder, args)}


def _presets(source: Path, head: str, folder: Path, args: argparse.Namespace) -> dict[str, Path]:
    files = {preset: folder / f"{head}-{preset}.onnx" for preset in PRESETS}
    for preset, file in files.items():
        export_onnx(source, file, preset=preset, size=args.size, target=args.target)
    portable, int8 = (folder / f"{head}-{name}.onnx" for name in (OPENVINO, INT8))
    export_onnx(source, portable, preset="hq", size=args.size)
    calibrate(
        portable,
        _scenes(folder),
        int8,
        target="openvino",
        only_what_pays=False,
        # Random weights have no classes to keep.
        min_agreement=0,
        threads=args.threads,
    )
    return {**files, OPENVINO: portable, INT8: int8}


def _scenes(folder: Path) -> Path:
    """Return the folder of drawn pictures to calibrate on."""
    scenes = folder / "scenes"
    if not scenes.exists():
        write_scenes(scenes, range(800_000, 800_016), Size(512, 1024))
    return scenes / "images"


def _measure(files: Mapping[str, Path], args: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        runners, labels = {}, {}
        for name, file in files.items():
            engine = "openvino" if name in (OPENVINO, INT8) else "onnxruntime"
            backend = opened(stack, file, backend=engine, threads=args.threads)
            manifest = read_manifest(file)
            image = street(manifest.input)
            labels[name] = labels_of(file, backend, image)
            feeds, outputs = {manifest.input.name: image}, [manifest.outputs[0].name]
            runners[name] = partial(backend.run, feeds, outputs)
        rows = summary(interleaved(runners, args.rounds))
    same = {name: equal_share(labels["plain"], own) for name, own in labels.items()}
    return {name: {**row, "same_labels": same[name]} for name, row in rows.items()}


if __name__ == "__main__":
    main()
