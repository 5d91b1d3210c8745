r"""mIoU of INT8 files beside their float files: presets, dialects and methods, on labelled data.

    python -m benchmarks.precision.int8_accuracy --checkpoint FILE --pictures FOLDER --number 62 \
        --data FOLDER [--data FOLDER] --size 352x480 --work FOLDER --out FILE.json [--peers FOLDER]

Files are made by ``segpp.calibrate`` as it is by default, but that every product that a dialect
takes is INT8, whatever its time or loss; ``max, plain`` neither equalizes nor corrects biases.
``--peers`` holds what ``int8_peers`` made of ``PRESET.onnx`` in the folder ``--work``. ONNX files
are run by ONNX Runtime, NNCF's by OpenVINO; of what TensorRT makes of its files this says nothing.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import segpp
from benchmarks.common.scoring import Labels, by_session, cpu, scores
from benchmarks.precision.int8_speed import compiled, opened
from segpp.calib.observers import OBSERVERS
from segpp.calib.writers import WRITERS
from segpp.datasets.pairs import find_pairs
from segpp.images.postprocess import labels_from
from segpp.images.preprocess import ImageArray, prepare
from segpp.manifest import Manifest, read_manifest
from segpp.runtime.inference.open_session import open_session
from segpp.utils.files import check_writable

PLAIN = "max, plain"
Segment = Callable[[ImageArray], Labels]

PRESETS = ("none", "hq", "fast")


@dataclass(frozen=True)
class AccuracyRow:
    """mIoU of one file on one data set, and of the float file, as shares of one."""

    data: str
    preset: str
    target: str
    method: str
    float_miou: float
    miou: float
    agreement: float


def main() -> None:
    """Measure all files and write the result."""
    args = _arguments()
    check_writable(args.out)
    args.work.mkdir(parents=True, exist_ok=True)
    rows = [row for preset in args.presets for row in _rows(args, preset)]
    result = {
        "checkpoint": args.checkpoint.name,
        "machine": cpu(),
        "size": args.size,
        "pictures": args.number,
        "ignored": sorted(args.ignore),
        "rows": [asdict(row) for row in rows],
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table_of(result))


def table_of(result: dict[str, Any]) -> str:
    """Return a result as a Markdown table: mIoU in points, of each data set, by preset."""
    rows = result["rows"]
    presets = list(dict.fromkeys(row["preset"] for row in rows))
    kinds = list(dict.fromkeys((row["target"], row["method"]) for row in rows))
    lines = [f"| | {' | '.join(presets)} |", f"|---|{'---|' * len(presets)}"]
    lines.append(_line("FP32", [_floats(rows, preset) for preset in presets], "float_miou"))
    for kind in kinds:
        title = f"`{kind[0]}`, `{kind[1]}`" if kind[0] in WRITERS else f"{kind[0]} ({kind[1]})"
        lines.append(_line(title, [_of(rows, preset, kind) for preset in presets], "miou"))
    return "\n".join(lines)


def _of(rows: Sequence[dict[str, Any]], preset: str, kind: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the rows of a file, one for each data set."""
    return [row for row in rows if (row["preset"], row["target"], row["method"]) == (preset, *kind)]


def _floats(rows: Sequence[dict[str, Any]], preset: str) -> list[dict[str, Any]]:
    """Return one row for each data set; all of a preset tell of the same float file."""
    own = {row["data"]: row for row in reversed(rows) if row["preset"] == preset}
    return list(reversed(own.values()))


def _line(title: str, cells: Sequence[Sequence[dict[str, Any]]], key: str) -> str:
    texts = [" / ".join(f"{100 * row[key]:.2f}" for row in own) for own in cells]
    return f"| {title} | {' | '.join(texts)} |"


def _rows(args: argparse.Namespace, preset: str) -> Iterator[AccuracyRow]:
    plain = args.work / f"{preset}.onnx"
    if not plain.exists():
        segpp.export_onnx(args.checkpoint, plain, size=args.size, preset=preset, fit="stretch")
    files = {
        (target, method): _written(args, plain, target, method)
        for target in args.targets
        for method in args.methods
    }
    with ExitStack() as stack:
        models = {("float", ""): _segmenter(stack, plain, args.threads)}
        models.update({key: _segmenter(stack, one, args.threads) for key, one in files.items()})
        models.update(_peers(args, preset, read_manifest(plain)))
        for data in args.data:
            yield from _scored(args, models, data, preset, read_manifest(plain))


def _scored(
    args: argparse.Namespace,
    models: dict[tuple[str, str], Segment],
    data: Path,
    preset: str,
    manifest: Manifest,
) -> Iterator[AccuracyRow]:
    pairs = find_pairs(data / "images", data / "labels")[: args.limit]
    found = scores(list(models.values()), pairs, manifest, f"{preset} {data.name}")
    for (target, method), score in list(zip(models, found, strict=True))[1:]:
        yield AccuracyRow(
            data=data.name,
            preset=preset,
            target=target,
            method=method,
            float_miou=found[0].confusion.miou,
            miou=score.confusion.miou,
            agreement=score.agreement,
        )


def _written(args: argparse.Namespace, plain: Path, target: str, method: str) -> Path:
    name = method.replace(", ", "-")
    path = plain.with_name(f"{plain.stem}-{target}-{name}.onnx")
    pictures = sorted(args.pictures.iterdir())
    step = max(1, len(pictures) // args.number)
    if not path.exists():
        segpp.calibrate(
            plain,
            # One in five is held back: so many are taken that the asked for number remains.
            pictures[:: max(1, step * 4 // 5)][: args.number * 5 // 4],
            path,
            target=target,
            calib_method=method.partition(",")[0],
            only_what_pays=False,
            min_agreement=0,
            equalize=method != PLAIN,
            correct_biases=method != PLAIN,
            threads=args.threads,
        )
    return path


def _segmenter(stack: ExitStack, path: Path, threads: int | None) -> Segment:
    session = open_session(path, backend="onnxruntime", threads=threads, spinning=False)
    stack.callback(session.close)
    return partial(by_session, session)


def _peers(
    args: argparse.Namespace, preset: str, manifest: Manifest
) -> dict[tuple[str, str], Segment]:
    if args.peers is None:
        return {}
    nncf, static = (args.peers / f"{preset}.{kind}" for kind in ("nncf.xml", "static.onnx"))
    runs = {
        ("NNCF", "openvino"): compiled(nncf, args.threads, "f32"),
        ("quantize_static", "onnxruntime"): opened(static, args.threads),
    }
    return {key: partial(_labels_by, run, manifest) for key, run in runs.items()}


def _labels_by(
    run: Callable[[Any], Sequence[Any]], manifest: Manifest, image: ImageArray
) -> Labels:
    [output, *_] = manifest.outputs
    [raw] = run(prepare([image], manifest.input))
    classes = manifest.architecture.classes
    size = (image.shape[0], image.shape[1])
    return labels_from(raw, output=output, sizes=[size], classes=classes)[0]


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--number", type=int, default=62)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--size", default="352x480")
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--targets", nargs="+", default=tuple(WRITERS))
    parser.add_argument("--methods", nargs="+", default=(*OBSERVERS, PLAIN))
    parser.add_argument("--ignore", type=int, nargs="*", default=[11, 255])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True, help="where files are made and kept")
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
