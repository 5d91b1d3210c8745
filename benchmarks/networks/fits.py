r"""mIoU of one checkpoint at several input sizes and fits, and what the seams of tiles cost.

    python -m benchmarks.networks.fits --checkpoint FILE --data FOLDER [--data FOLDER] \
        --cases 352x480:stretch 512x1024:letterbox --picture FILE --out FILE.json

A data folder holds ``images/`` and ``labels/``. ``--picture`` is cut into tiles of the first case's
size; its labels are compared with those of a network of the picture's own size, near the tiles'
borders and away from them.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

import segpp
from segpp.images.tiles import tile_starts
from segpp.ops.grid import Size, parse_size

OVERLAPS = (0.0, 0.25, 1 / 3, 0.5)
# Pixels on either side of a tile's border that count as near: two cells of logits.
NEAR = 8


@dataclass(frozen=True)
class FitRow:
    """Scores of one size and fit on one data set, as shares of one."""

    data: str
    size: str
    fit: str
    images: int
    miou: float
    pixel_accuracy: float


@dataclass(frozen=True)
class SeamRow:
    """Share of pixels labelled as by the network of the picture's size."""

    size: str
    overlap: float
    tiles: int
    agreement_near: float
    agreement_away: float


def main() -> None:
    """Measure all cases and write the result."""
    args = _arguments()
    cases = [(parse_size(size), fit) for size, _, fit in (c.partition(":") for c in args.cases)]
    with TemporaryDirectory() as folder:
        files = _exported(args.checkpoint, {size for size, _ in cases}, Path(folder))
        fits = [_score(args, data, files[size], fit) for data in args.data for size, fit in cases]
        seams = _seams(args, cases[0][0], Path(folder)) if args.picture else []
    result = {
        "checkpoint": args.checkpoint.name,
        "ignored": sorted(args.ignore),
        "picture": args.picture.name if args.picture else None,
        "near_pixels": NEAR,
        "fits": [asdict(row) for row in fits],
        "seams": [asdict(row) for row in seams],
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(tables_of(result))


def tables_of(result: dict[str, Any]) -> str:
    """Return a result as two Markdown tables; scores in percent."""
    lines = ["| data | size | fit | mIoU | pixel accuracy |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['data']} | {row['size']} | {row['fit']} | {100 * row['miou']:.2f} "
        f"| {100 * row['pixel_accuracy']:.2f} |"
        for row in result["fits"]
    ]
    lines += ["", "| overlap | tiles | as the whole, near borders | away from them |"]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {row['overlap']:.2f} | {row['tiles']} | {row['agreement_near']:.4f} "
        f"| {row['agreement_away']:.4f} |"
        for row in result["seams"]
    ]
    return "\n".join(lines)


def near_borders(size: tuple[int, int], tile: tuple[int, int], overlap: float) -> NDArray[np.bool_]:
    """Return (H, W): which pixels are near a border of a tile inside of a picture."""
    near = np.zeros(size, bool)
    for axis, (length, side) in enumerate(zip(size, tile, strict=True)):
        starts = tile_starts(length, side, overlap)
        for border in {*starts, *(start + side for start in starts)} - {0, length}:
            band = slice(max(0, border - NEAR), border + NEAR)
            near[(slice(None),) * axis + (band,)] = True
    return near


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--cases", nargs="+", required=True, metavar="SIZE:FIT")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--ignore", type=int, nargs="*", default=[11, 255])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _exported(checkpoint: Path, sizes: set[Size], folder: Path) -> dict[Size, Path]:
    files = {size: folder / f"{size}.onnx" for size in sizes}
    for size, file in files.items():
        if not file.exists():
            segpp.export_onnx(checkpoint, file, size=size, target="onnxruntime")
    return files


def _score(args: argparse.Namespace, data: Path, file: Path, fit: str) -> FitRow:
    report = segpp.evaluate(
        file,
        images=data / "images",
        labels=data / "labels",
        ignore=args.ignore,
        limit=args.limit,
        threads=args.threads,
        fit=fit,
    )
    [score] = report.evaluation.scores
    confusion, images = score.confusion, report.evaluation.images
    return FitRow(data.name, file.stem, fit, images, confusion.miou, confusion.pixel_accuracy)


def _seams(args: argparse.Namespace, size: Size, folder: Path) -> Sequence[SeamRow]:
    picture = segpp.load_image(args.picture)
    own = Size(*picture.shape[:2])
    files = _exported(args.checkpoint, {size, own}, folder)
    with segpp.load(files[own], threads=args.threads) as session:
        [whole] = session(picture).masks
    rows = []
    for overlap in OVERLAPS:
        with segpp.load(files[size], threads=args.threads, tile=True, overlap=overlap) as session:
            same = session(picture).masks[0] == whole
        near = near_borders(own, size, overlap)
        counts = [len(tile_starts(*sides, overlap)) for sides in zip(own, size, strict=True)]
        tiles = counts[0] * counts[1]
        rows.append(
            SeamRow(str(size), overlap, tiles, float(same[near].mean()), float(same[~near].mean()))
        )
    return rows


if __name__ == "__main__":
    main()
