r"""mIoU of files in half precision beside FP32, on labelled data.

    python -m benchmarks.precision.fp16_accuracy --checkpoint FILE \
        --data FOLDER [--data FOLDER] --size 352x480 --out FILE.json

ONNX Runtime computes halves in FP32 on a CPU and rounds few of them. So what is scored is the copy
of each file in which every half is rounded where an engine stores it, and beside it the FP16 file
as ONNX Runtime runs it. No engine on a GPU has been asked.
"""

import argparse
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

import segpp
from segpp.export.onnx_graph.rounded_copy import rounded_copy
from segpp.manifest import FileInfo, read_manifest, render_manifest
from segpp.utils.files import manifest_path, sha256_of

PRESETS = ("none", "hq", "fast")
PRECISIONS = ("fp16", "bf16")


@dataclass(frozen=True)
class HalfRow:
    """mIoU of one file on one data set, and of the FP32 file, as shares of one."""

    data: str
    preset: str
    precision: str
    rounded: bool
    pictures: int
    islands: int
    float_miou: float
    miou: float
    agreement: float


def main() -> None:
    """Measure all files and write the result."""
    args = _arguments()
    with TemporaryDirectory() as folder:
        rows = [row for preset in args.presets for row in _rows(args, preset, Path(folder))]
    result = {
        "checkpoint": args.checkpoint.name,
        "size": args.size,
        "ignored": sorted(args.ignore),
        "python": platform.python_version(),
        "rows": [asdict(row) for row in rows],
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table_of(result))


def table_of(result: dict[str, Any]) -> str:
    """Return a result as a Markdown table: mIoU in points, and what is lost of the FP32 file's."""
    lines = [
        "| data | preset | file | FP32 | half | lost | same pixels |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        before, after = 100 * row["float_miou"], 100 * row["miou"]
        how = "rounded" if row["rounded"] else "as ONNX Runtime runs it"
        lines.append(
            f"| {row['data']} | {row['preset']} | {row['precision'].upper()}, {how} "
            f"| {before:.2f} | {after:.2f} | {before - after:.2f} | {row['agreement']:.4f} |"
        )
    return "\n".join(lines)


def _rows(args: argparse.Namespace, preset: str, folder: Path) -> Iterator[HalfRow]:
    plain = _exported(args, preset, "fp32", folder)
    halves = {kind: _exported(args, preset, kind, folder) for kind in PRECISIONS}
    # ONNX Runtime has no convolution of BF16 on a CPU.
    files = {("fp16", False): halves["fp16"]}
    files |= {(kind, True): _rounded(path) for kind, path in halves.items()}
    for data in args.data:
        report = segpp.evaluate(
            [plain, *files.values()],
            images=data / "images",
            labels=data / "labels",
            ignore=args.ignore,
            limit=args.limit,
            threads=args.threads,
            backend="onnxruntime",
        )
        first, *others = report.evaluation.scores
        for (kind, rounded), score in zip(files, others, strict=True):
            yield HalfRow(
                data=data.name,
                preset=preset,
                precision=kind,
                rounded=rounded,
                pictures=report.evaluation.images,
                islands=len(read_manifest(halves[kind]).islands),
                float_miou=first.confusion.miou,
                miou=score.confusion.miou,
                agreement=score.agreement,
            )


def _exported(args: argparse.Namespace, preset: str, precision: str, folder: Path) -> Path:
    path = folder / f"{preset}-{precision}.onnx"
    segpp.export_onnx(
        args.checkpoint, path, size=args.size, preset=preset, precision=precision, fit="stretch"
    )
    return path


def _rounded(path: Path) -> Path:
    """Write the copy of a file that rounds every half, and its manifest."""
    copy = path.with_name(f"{path.stem}-rounded.onnx")
    onnx.save(rounded_copy(onnx.load(path)), copy)
    info = FileInfo(copy.name, sha256_of(copy), copy.stat().st_size)
    manifest = replace(read_manifest(path), file=info)
    manifest_path(copy).write_text(render_manifest(manifest), encoding="utf-8")
    return copy


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--size", default="352x480")
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--ignore", type=int, nargs="*", default=[11, 255])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
