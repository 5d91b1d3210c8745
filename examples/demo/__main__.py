"""Export the bundled checkpoint with and without token merging and in INT8, and print a table.

python -m examples.demo --out demo
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.demo.commands import run_command
from examples.demo.measure import measure
from examples.demo.report import render
from examples.street_scenes.draw import write_scenes
from segpp.errors import OutputError, SegppError
from segpp.ops.grid import parse_size
from segpp.utils.files import check_file

__all__ = ["main"]

SCENES = Path("examples/street_scenes")
CHECKPOINT = SCENES / "segformer_b0_scenes.pth"

#: The file to write and what it is exported with.
VARIANTS = (("b0.onnx", ()), ("b0-merged.onnx", ("--ratio", "0.5")))
#: The INT8 file, and the numbers of the scenes whose pictures it is calibrated on: none of those
#: that the checkpoint was trained on, nor of the bundled ones.
INT8, CALIBRATED_ON = "b0-int8.onnx", range(800_000, 800_020)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        _demonstrate(args)
    except SegppError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return failure.exit_code
    return 0


def _demonstrate(args: argparse.Namespace) -> None:
    check_file(args.checkpoint, kind="checkpoint")
    _make_folder(args.out)
    files = tuple(args.out / name for name, _ in VARIANTS)
    for file, (_, options) in zip(files, VARIANTS, strict=True):
        run_command("segpp-export", args.checkpoint, file, "--size", args.size, *options)
    files = (*files, _calibrated(files[0], args))
    for file in files:
        overlays = args.out / "overlays" / file.stem
        run_command("segpp-run", file, args.scenes / "images", "--out", f"{overlays}/")
    measured = measure(files, args.scenes, rounds=args.rounds, threads=args.threads)
    print(f"\n{render(measured)}\n\noverlays: {args.out / 'overlays'}")


def _calibrated(plain: Path, args: argparse.Namespace) -> Path:
    """Return the first file as INT8; whether that is faster here the table tells."""
    scenes, file = args.out / "calibration", plain.with_name(INT8)
    if not scenes.exists():
        write_scenes(scenes, CALIBRATED_ON, parse_size(args.size))
    options = ("--target", "onnxruntime", "--no-timing")
    run_command("segpp-calibrate", plain, scenes / "images", "-o", file, *options)
    return file


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise OutputError(f"cannot make the folder {path}", str(failure.strerror)) from failure


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to fill (demo)")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, help="weights to export")
    parser.add_argument("--scenes", type=Path, default=SCENES, help="folder of images/ and labels/")
    parser.add_argument("--size", default="512x1024", metavar="HxW", help="input (512x1024)")
    parser.add_argument("--rounds", type=_positive, default=5, help="runs per image and file (5)")
    parser.add_argument("--threads", type=_positive, default=None, help="CPU threads (all cores)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
