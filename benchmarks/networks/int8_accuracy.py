r"""mIoU of INT8 files beside their float files: presets, dialects and methods, on labelled data.

    python -m benchmarks.networks.int8_accuracy --checkpoint FILE --pictures FOLDER --number 62 \
        --data FOLDER [--data FOLDER] --size 352x480 --out FILE.json

Every product that a dialect takes is INT8: nothing is left out for its time or its loss. All files
are run by ONNX Runtime; of what TensorRT or OpenVINO make of theirs this says nothing.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

import segpp
from segpp.calib.graph.sites import sites_of
from segpp.calib.observers import OBSERVERS
from segpp.calib.pictures.find import find_pictures
from segpp.calib.pipeline import observed
from segpp.calib.plan import Plan
from segpp.calib.ranges.collect import collect_ranges
from segpp.calib.ranges.file import Ranges
from segpp.calib.writers import WRITERS

PRESETS = ("none", "hq", "fast")


@dataclass(frozen=True)
class AccuracyRow:
    """mIoU of one file on one data set, and of the float file, as shares of one."""

    data: str
    preset: str
    target: str
    method: str
    products: int
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
        "pictures": args.number,
        "ignored": sorted(args.ignore),
        "rows": [asdict(row) for row in rows],
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table_of(result))


def table_of(result: dict[str, Any]) -> str:
    """Return a result as a Markdown table: mIoU in points, and what is lost of the float file's."""
    lines = ["| data | preset | target | method | float | INT8 | lost | same pixels |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for row in result["rows"]:
        before, after = 100 * row["float_miou"], 100 * row["miou"]
        lines.append(
            f"| {row['data']} | {row['preset']} | {row['target']} | {row['method']} "
            f"| {before:.2f} | {after:.2f} | {before - after:.2f} | {row['agreement']:.4f} |"
        )
    return "\n".join(lines)


def _rows(args: argparse.Namespace, preset: str, folder: Path) -> Iterator[AccuracyRow]:
    plain = folder / f"{preset}.onnx"
    segpp.export_onnx(args.checkpoint, plain, size=args.size, preset=preset, fit="stretch")
    model, manifest = onnx.load(plain), segpp.read_manifest(plain)
    pictures = find_pictures([str(args.pictures)])
    step = max(1, len(pictures) // args.number)
    sites = sites_of(model)
    ranges = collect_ranges(model, manifest, observed(sites), pictures[::step][: args.number])
    files = {
        (target, method): _written(model, plain, ranges, target, method)
        for target in args.targets
        for method in args.methods
    }
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
        for (target, method), score in zip(files, others, strict=True):
            products = len(_plan(model, ranges, target, method).sites)
            yield AccuracyRow(
                data=data.name,
                preset=preset,
                target=target,
                method=method,
                products=products,
                float_miou=first.confusion.miou,
                miou=score.confusion.miou,
                agreement=score.agreement,
            )


def _written(model: onnx.ModelProto, plain: Path, ranges: Ranges, target: str, method: str) -> Path:
    path = plain.with_name(f"{plain.stem}-{target}-{method}.onnx")
    onnx.save(WRITERS[target].write(model, _plan(model, ranges, target, method)), path)
    return path


def _plan(model: onnx.ModelProto, ranges: Ranges, target: str, method: str) -> Plan:
    first = next(node.name for node in model.graph.node if node.op_type == "Conv")
    sites = [s for s in sites_of(model) if s.kind not in WRITERS[target].floats and s.node != first]
    chosen = {name: OBSERVERS[method](one) for name, one in ranges.tensors.items()}
    return Plan(tuple(sites), chosen)


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--number", type=int, default=62)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--size", default="352x480")
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--targets", nargs="+", default=tuple(WRITERS))
    parser.add_argument("--methods", nargs="+", default=tuple(OBSERVERS))
    parser.add_argument("--ignore", type=int, nargs="*", default=[11, 255])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
