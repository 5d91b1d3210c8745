"""Draw the README's picture: a street, its mask, the mask with tokens merged, and the legend.

python -m examples.demo.picture docs/images/masks.png
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import segpp
from examples.demo.__main__ import CHECKPOINT
from segpp.images.palette import Color, colorize

SCENE = Path("examples/street_scenes/images/900001.jpg")
SIZE = (512, 1024)
MERGED = "fast"

_WIDTH = 640
_GAP = 12
_TEXT = 17
_SWATCH = 14
_PAPER, _INK = (255, 255, 255), (40, 40, 40)


def main(arguments: Sequence[str] | None = None) -> None:
    """Segment one scene with and without merging, and draw both beside it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT.png")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--image", type=Path, default=SCENE)
    args = parser.parse_args(arguments)
    image = segpp.load_image(args.image)
    with TemporaryDirectory() as folder:
        masks = {
            preset: _mask(args.checkpoint, Path(folder), preset, image)
            for preset in ("none", MERGED)
        }
        names, palette = _classes(Path(folder) / "none.onnx")
    equal = float(np.mean(masks["none"] == masks[MERGED]))
    panels = {
        "input": image,
        "mask, no tokens merged": colorize(masks["none"], palette),
        f"mask, --preset {MERGED}: {equal:.1%} of the pixels the same": colorize(
            masks[MERGED], palette
        ),
    }
    seen = np.unique(np.stack(list(masks.values())))
    legend = [(names[i], palette[i]) for i in seen if i < len(names)]
    compose(panels, legend).save(args.out, optimize=True)


def _mask(checkpoint: Path, folder: Path, preset: str, image: NDArray[np.uint8]) -> NDArray[Any]:
    file = folder / f"{preset}.onnx"
    segpp.export_onnx(checkpoint, file, preset=preset, size=SIZE)
    with segpp.load(file) as session:
        return session(image).masks[0]


def _classes(file: Path) -> tuple[tuple[str, ...], tuple[Color, ...]]:
    classes = segpp.read_manifest(file).classes
    return classes.names, classes.palette


def compose(
    panels: dict[str, NDArray[np.uint8]], legend: Sequence[tuple[str, Color]]
) -> Image.Image:
    """Return the panels side by side under their titles, and below them what the colors mean."""
    pictures = {title: _scaled(pixels) for title, pixels in panels.items()}
    height = max(picture.height for picture in pictures.values())
    whole = (_WIDTH + _GAP) * len(pictures) + _GAP
    sheet = Image.new("RGB", (whole, height + 4 * _GAP + 3 * _TEXT), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for number, (title, picture) in enumerate(pictures.items()):
        left = _GAP + number * (_WIDTH + _GAP)
        pen.text((left, _GAP // 2), title, _INK, font)
        sheet.paste(picture, (left, _GAP + _TEXT + _GAP // 2))
    _draw_legend(pen, font, legend, top=height + 3 * _GAP + _TEXT)
    return sheet


def _scaled(pixels: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(pixels)
    return picture.resize((_WIDTH, round(_WIDTH * picture.height / picture.width)))


def _draw_legend(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    legend: Sequence[tuple[str, Color]],
    *,
    top: int,
) -> None:
    left = float(_GAP)
    for name, color in legend:
        pen.rectangle((left, top, left + _SWATCH, top + _SWATCH), color, _INK)
        pen.text((left + _SWATCH + 6, top - 3), name, _INK, font)
        left += _SWATCH + 6 + pen.textlength(name, font) + 2 * _GAP


if __name__ == "__main__":
    main()
