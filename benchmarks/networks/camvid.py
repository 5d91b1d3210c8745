r"""mIoU of one checkpoint with and without merging, in PyTorch and as ONNX, on labelled images.

    python -m benchmarks.networks.camvid \
        --checkpoint FILE --data FOLDER --size 768x1024 --out FILE.json

``--data`` holds ``images/`` and ``labels/``. Every variant is exported through the public API,
passes its gate, and runs on ONNX Runtime; PyTorch runs the same merging for itself, so near-ties
may fall differently.
"""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.common.readme_table import table_of
from benchmarks.common.scoring import Labels, by_session, cpu, remembering, scores, times_of
from segpp.datasets.pairs import Pair, find_pairs
from segpp.export.config import ExportConfig
from segpp.export.models.loading import load_checkpoint
from segpp.export.models.network import Network
from segpp.export.models.segformer.presets import PRESETS, reduction_config
from segpp.export.pipeline import export_onnx
from segpp.export.reduction.config import ReductionConfig
from segpp.images.postprocess import resize_argmax
from segpp.images.preprocess import ImageArray, load_image, prepare
from segpp.manifest import Manifest, read_manifest
from segpp.ops.grid import Size, parse_size
from segpp.runtime.inference.open_session import open_session

VARIANTS: dict[str, ReductionConfig] = {**PRESETS, "ratio 0.5": reduction_config(ratio=0.5)}


@dataclass(frozen=True)
class Row:
    """One variant's scores; agreements are shares of all pixels, times medians."""

    variant: str
    miou_torch: float
    miou_onnx: float
    agreement_onnx_torch: float
    agreement_with_none: float
    network_ms: float | None = None
    speedup: float | None = None


def main() -> None:
    """Measure all variants and write the table."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    pairs = find_pairs(args.data / "images", args.data / "labels")[: args.limit]
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{index}.onnx" for index, name in enumerate(VARIANTS)}
        for name, file in files.items():
            export_onnx(
                ExportConfig(
                    args.checkpoint,
                    file,
                    reduction=VARIANTS[name],
                    size=args.size,
                    # As the networks of the committed results were trained.
                    fit="stretch",
                )
            )
        rows = _read(args.out) if args.only_times else _measure(args, files, pairs)
        if not args.no_times:
            rows = _timed(rows, times_of(files, args.threads, load_image(pairs[0].image)))
    _report(args, rows, len(pairs))


def _read(out: Path) -> list[Row]:
    return [Row(**row) for row in json.loads(out.read_text(encoding="utf-8"))["rows"]]


def _timed(rows: list[Row], times: dict[str, tuple[float, float]]) -> list[Row]:
    return [
        replace(row, network_ms=times[row.variant][0], speedup=times[row.variant][1])
        for row in rows
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=parse_size, default=Size(768, 1024))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, required=True)
    times = parser.add_mutually_exclusive_group()
    times.add_argument("--no-times", action="store_true", help="scores alone; the machine is busy")
    times.add_argument("--only-times", action="store_true", help="keep the scores that --out has")
    return parser.parse_args()


def _measure(args: argparse.Namespace, files: dict[str, Path], pairs: Sequence[Pair]) -> list[Row]:
    checkpoint = load_checkpoint(args.checkpoint)
    manifest = read_manifest(files["none"])
    plain = open_session(files["none"], threads=args.threads)
    unmerged = remembering(partial(by_session, plain))
    rows = []
    for name, file in files.items():
        model = checkpoint.build().apply_reductions(VARIANTS[name])
        by_torch = partial(_by_torch, model, manifest)
        with open_session(file, threads=args.threads) as session:
            by_onnx = remembering(partial(by_session, session))
            scored = scores([by_torch, by_onnx], pairs, manifest, name)
            against = scores([unmerged, by_onnx], pairs, manifest, f"{name} against none")
        rows.append(
            Row(
                variant=name,
                miou_torch=scored[0].confusion.miou,
                miou_onnx=scored[1].confusion.miou,
                agreement_onnx_torch=scored[1].agreement,
                agreement_with_none=against[1].agreement,
            )
        )
    return rows


def _by_torch(model: Network, manifest: Manifest, image: ImageArray) -> Labels:
    with torch.inference_mode():
        logits = model(torch.from_numpy(prepare([image], manifest.input))).numpy()
    labels: Labels = resize_argmax(logits, image.shape[:2])[0]
    return labels


def _report(args: argparse.Namespace, rows: list[Row], images: int) -> None:
    found = {
        "checkpoint": args.checkpoint.name,
        "images": images,
        "size": str(args.size),
        "machine": f"{cpu()}, {args.threads} thread(s)",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rows": [asdict(row) for row in rows],
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(found))


if __name__ == "__main__":
    main()
