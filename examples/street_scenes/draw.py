"""Draw labelled street scenes into a folder: ``images/`` and ``labels/``, same names in both."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from examples.street_scenes.renderer.scene import SMALLEST_SIDE, draw_scene
from segpp.errors import InputError, OutputError, SegppError
from segpp.ops.grid import Size, parse_size

#: Twice this side would not fit into the memory of a small machine, at two drawings a scene.
_LARGEST_SIDE = 8192


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        size = _checked_size(args.size)
        seeds = _checked_seeds(args.seed, args.count)
        write_scenes(args.out, seeds, size)
    except SegppError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return failure.exit_code
    print(args.out)
    return 0


def write_scenes(out: Path, seeds: Iterable[int], size: Size) -> None:
    """Write one picture and one label map per seed; the folder appears whole or not at all.

    Args:
        out: The folder to make; an empty one may be there.
        seeds: One scene each, named by its seed: ``images/000007.png``.
        size: Of every scene.

    Raises:
        OutputError: ``out`` holds something, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} is not an empty folder", hint="name a folder that is not there")
    try:
        _write_whole(out, seeds, size)
    except OSError as failure:
        raise OutputError(f"cannot write {out}", failure.strerror or str(failure)) from failure


def _write_whole(out: Path, seeds: Iterable[int], size: Size) -> None:
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        part.chmod(0o755)
        for folder in ("images", "labels"):
            (part / folder).mkdir()
        for seed in tqdm(seeds, unit="scene", disable=None):
            image, label = draw_scene(seed, size.height, size.width)
            Image.fromarray(image).save(part / "images" / f"{seed:06d}.png")
            Image.fromarray(label).save(part / "labels" / f"{seed:06d}.png")
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _checked_size(text: str) -> Size:
    size = parse_size(text)
    if not SMALLEST_SIDE <= min(size) <= max(size) <= _LARGEST_SIDE:
        raise InputError(
            f"size {size} cannot be drawn",
            f"both sides must lie in {SMALLEST_SIDE}..{_LARGEST_SIDE}",
        )
    return size


def _checked_seeds(first: int, count: int) -> range:
    if count < 1:
        raise InputError(f"a count of {count} draws nothing", hint="give --count 1 or more")
    if first < 0:
        raise InputError(f"seed {first} is negative", hint="give --seed 0 or more")
    return range(first, first + count)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.street_scenes.draw", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    parser.add_argument("--count", type=int, required=True, help="how many scenes to draw")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first scene (default 0)")
    parser.add_argument(
        "--size", default="256x512", metavar="HxW", help="height x width, in pixels (256x512)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
