"""mIoU of one checkpoint with and without merging, in PyTorch and as ONNX, on labelled images.

    python -m benchmarks.camvid --checkpoint FILE --data FOLDER --size 768x1024 --out FILE.json

``--data`` holds ``images/`` and ``labels/``. Every variant is exported through the public API,
passes its gate, and runs on ONNX Runtime; PyTorch runs the same merging for itself, so near-ties
may fall differently.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.readme_table import table_of
from segpp.export.api import export
from segpp.export.checkpoint import read_checkpoint
from segpp.export.model import SegFormer
from segpp.export.plan import PRESETS, ReductionPlan, plan_from
from segpp.export.request import ExportRequest
from segpp.grid import Size, parse_size
from segpp.manifest import Manifest, read_manifest
from segpp.preprocess import Pixels, load_image, prepare
from segpp.resize import resize_argmax
from segpp.runtime.dataset import Pair, find_pairs
from segpp.runtime.evaluate import Score, evaluate
from segpp.runtime.session import Session, open_session

VARIANTS: dict[str, ReductionPlan] = {**PRESETS, "ratio 0.5": plan_from(ratio=0.5)}

Labels = NDArray[Any]

# Every round times every variant once, so that a slow minute slows them all.
ROUNDS = 15


@dataclass(frozen=True)
class Row:
    """One variant's scores; agreements are shares of all pixels, times medians of ``ROUNDS``."""

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
            export(ExportRequest(args.checkpoint, file, plan=VARIANTS[name], size=args.size))
        rows = _read(args.out) if args.only_times else _measure(args, files, pairs)
        if not args.no_times:
            rows = _timed(rows, _times(files, args.threads, load_image(pairs[0].image)))
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
    checkpoint = read_checkpoint(args.checkpoint)
    manifest = read_manifest(files["none"])
    plain = open_session(files["none"], threads=args.threads)
    unmerged = _remembering(partial(_by_session, plain))
    rows = []
    for name, file in files.items():
        model = checkpoint.model().reduce(VARIANTS[name].items())
        by_torch = partial(_by_torch, model, manifest)
        with open_session(file, threads=args.threads) as session:
            by_onnx = _remembering(partial(_by_session, session))
            scores = _scores([by_torch, by_onnx], pairs, manifest, name)
            against = _scores([unmerged, by_onnx], pairs, manifest, f"{name} against none")
        rows.append(
            Row(
                variant=name,
                miou_torch=scores[0].confusion.miou,
                miou_onnx=scores[1].confusion.miou,
                agreement_onnx_torch=scores[1].agreement,
                agreement_with_none=against[1].agreement,
            )
        )
    return rows


def _times(files: dict[str, Path], threads: int, image: Pixels) -> dict[str, tuple[float, float]]:
    """Return the median milliseconds, and the median over rounds of none's divided by them."""
    # Idle threads of one session must not spin while another is timed.
    sessions = {
        name: open_session(file, threads=threads, spinning=False) for name, file in files.items()
    }
    rounds = [
        {name: session(image).timing.network_ms for name, session in sessions.items()}
        for _ in tqdm(range(ROUNDS + 1), "timing")
    ][1:]
    return {
        name: (
            float(np.median([times[name] for times in rounds])),
            float(np.median([times["none"] / times[name] for times in rounds])),
        )
        for name in files
    }


def _scores(
    models: list[Callable[[Pixels], Labels]], pairs: Sequence[Pair], manifest: Manifest, label: str
) -> tuple[Score, ...]:
    classes = manifest.architecture.classes
    with tqdm(total=len(pairs), desc=label) as bar:
        result = evaluate(
            models, pairs, classes=classes, ignored=(classes, 255), after_each=bar.update
        )
    return result.scores


def _by_torch(model: SegFormer, manifest: Manifest, image: Pixels) -> Labels:
    with torch.inference_mode():
        logits = model(torch.from_numpy(prepare([image], manifest.input))).numpy()
    labels: Labels = resize_argmax(logits, image.shape[:2])[0]
    return labels


def _by_session(session: Session, image: Pixels) -> Labels:
    return session(image).labels[0]


def _remembering(segment: Callable[[Pixels], Labels]) -> Callable[[Pixels], Labels]:
    known: dict[bytes, Labels] = {}

    def remembered(image: Pixels) -> Labels:
        key = np.ascontiguousarray(image[::7, ::7]).tobytes()
        if key not in known:
            known[key] = segment(image)
        return known[key]

    return remembered


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


def cpu() -> str:
    """Return the processor's name."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
