"""Draw the pictures of docs/looking.md: one of each way to look at a result.

python -m examples.demo.looks docs/images
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

import segpp
from examples.demo.__main__ import CHECKPOINT
from examples.street_scenes.renderer.labels import IGNORE

SCENES = Path("examples/street_scenes")
SIZE = (512, 1024)
PRESETS = ("none", "fast")
KINDS = ("overlay", "side-by-side", "confidence", "compare")

# A page with all of them loads at once.
_MOST_BYTES = 150_000
_WIDTH, _QUALITIES = 1200, (88, 82, 75, 65)


def main(arguments: Sequence[str] | None = None) -> None:
    """Export the bundled checkpoint twice, and look at what both files give."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, metavar="FOLDER")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--scenes", type=Path, default=SCENES, help="folder of images and labels")
    args = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        folder = Path(name)
        models = [_exported(args.checkpoint, folder, preset) for preset in PRESETS]
        _draw_run(models, folder, args.out)
        _draw_scores(models, args.scenes, folder, args.out)


def _exported(checkpoint: Path, folder: Path, preset: str) -> Path:
    file = folder / f"{preset}.onnx"
    segpp.export_onnx(checkpoint, file, preset=preset, size=SIZE)
    return file


def _draw_run(models: Sequence[Path], folder: Path, out: Path) -> None:
    summary = segpp.predict(
        models[0],
        segpp.sample_image(),
        f"{folder}/looks/",
        save=",".join(KINDS),
        compare=models[1],
        contours=True,
    )
    for kind, path in zip(KINDS, summary.done[0].outputs, strict=True):
        shrink(path, out / f"look_{kind.replace('-', '_')}.jpg")


def _draw_scores(models: Sequence[Path], scenes: Path, folder: Path, out: Path) -> None:
    names = ("confusion", "iou")
    segpp.evaluate(
        models,
        images=scenes / "images",
        labels=scenes / "labels",
        ignore={IGNORE},
        confusion=folder / "confusion.png",
        plot=folder / "iou.png",
    )
    for name in names:
        shrink(folder / f"{name}.png", out / f"look_{name}.png")


def shrink(path: Path, target: Path) -> None:
    """Write a picture again, no wider than a page and no larger than it has to be."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((_WIDTH, _WIDTH), Image.Resampling.LANCZOS)
    if target.suffix == ".png":
        # A plot has few colours, and a palette keeps its letters sharp.
        small.quantize(64).save(target, optimize=True)
        return
    for quality in _QUALITIES:
        small.save(target, quality=quality, optimize=True, progressive=True)
        if target.stat().st_size <= _MOST_BYTES:
            return


if __name__ == "__main__":
    main()
