"""Several pictures as one, each below its title."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from segpp.images.drawing.legend import INK, PAPER, text_height
from segpp.images.drawing.text import drawable, shortened
from segpp.images.preprocess import ImageArray

__all__ = ["arrange"]


def arrange(panels: Sequence[tuple[str, ImageArray]], columns: int) -> ImageArray:
    """Return pictures (H, W, 3) of one size in rows of ``columns``, a title above each."""
    height, width = panels[0][1].shape[:2]
    rows = -(-len(panels) // columns)
    # The whole is what is looked at, so the whole decides what can be read.
    size = text_height(rows * height, columns * width)
    gap, head = size // 2, round(1.8 * size)
    whole = (columns * (width + gap) - gap, rows * (height + head + gap) - gap)
    sheet = Image.new("RGB", whole, PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (title, picture) in enumerate(panels):
        row, column = divmod(number, columns)
        left, top = column * (width + gap), row * (height + head + gap)
        text, font = drawable(title, size)
        at = (left + gap / 2, top + head / 2)
        pen.text(at, shortened(text, font, width - gap), INK, font, anchor="lm")
        sheet.paste(Image.fromarray(picture), (left, top + head))
    return np.array(sheet)
