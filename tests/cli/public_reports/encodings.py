"""Ways to write label files, each with the flags that say which number is no class."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.helpers.reported_networks import mmseg_owner, mmseg_state, picture

__all__ = ["ENCODINGS", "PICTURES", "STATE", "VOID", "Labels", "folder_of", "png", "truth"]

tifffile = pytest.importorskip("tifffile", reason="needs tifffile (extra tiff)")

Labels = NDArray[np.uint8]
Write = Callable[[Path, Labels], None]

STATE = mmseg_state()
VOID = 255
PICTURES = [picture(seed=seed) for seed in (5, 6)]


def truth() -> list[Labels]:
    """What the owner computes, with some pixels wrong and some without a class."""
    masks = [mmseg_owner(STATE).mask(image) for image in PICTURES]
    for mask in masks:
        mask[:, :9] = 2
        mask[50:, :] = VOID
    return masks


def png(path: Path, labels: Labels) -> None:
    Image.fromarray(labels).save(path.with_suffix(".png"))


def packed_palette(path: Path, labels: Labels) -> None:
    """Write what optimisers make of a grey PNG: a palette of greys in order of appearance."""
    values, first = np.unique(labels, return_index=True)
    order = values[np.argsort(first)]
    table = np.zeros(256, np.uint8)
    table[order] = np.arange(len(order))
    image = Image.fromarray(table[labels]).convert("P")
    image.putpalette([grey for value in order.tolist() for grey in (value,) * 3])
    image.save(path.with_suffix(".png"))


def tiff(dtype: Any, **options: Any) -> Write:
    def write(path: Path, labels: Labels) -> None:
        tifffile.imwrite(path.with_suffix(".tif"), labels.astype(dtype), **options)

    return write


def minus_one(path: Path, labels: Labels) -> None:
    numbers = labels.astype(np.int16)
    numbers[labels == VOID] = -1
    tifffile.imwrite(path.with_suffix(".tif"), numbers)


def in_four_bits(path: Path, labels: Labels) -> None:
    """Write GDAL's NBITS=4: two labels to a byte; 15 for no class."""
    height, width = labels.shape
    small = np.minimum(labels, 15)
    packed = (small[:, ::2] << 4 | small[:, 1::2]).astype(np.uint8)
    tags = {256: width, 257: height, 258: 4, 259: 1, 262: 1, 273: 0, 277: 1, 278: height}
    tags[279] = packed.size
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    head = b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little")
    rows = b"".join(
        key.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little")
        for key, value in sorted(tags.items())
    )
    path.with_suffix(".tif").write_bytes(head + rows + bytes(4) + packed.tobytes())


def pgm(path: Path, labels: Labels) -> None:
    """Write a PGM whose greatest value is not 255."""
    small = np.where(labels == VOID, 15, labels).astype(np.uint8)
    head = f"P5\n# labels\n{labels.shape[1]} {labels.shape[0]}\n15\n"
    path.with_suffix(".pgm").write_bytes(head.encode() + small.tobytes())


def array(path: Path, labels: Labels) -> None:
    np.save(path.with_suffix(".npy"), labels.astype(np.int64))


def gif(path: Path, labels: Labels) -> None:
    Image.fromarray(labels).save(path.with_suffix(".gif"))


def bmp(path: Path, labels: Labels) -> None:
    Image.fromarray(labels).save(path.with_suffix(".bmp"))


# How labels are written, and the flags that say which number is no class.
ENCODINGS: dict[str, tuple[Write, tuple[str, ...]]] = {
    "grey palette, packed": (packed_palette, ()),
    "TIFF, white is zero": (tiff(np.uint8, photometric="miniswhite"), ()),
    "TIFF, uint16, LZW": (tiff(np.uint16, compression="lzw"), ()),
    "TIFF, float32": (tiff(np.float32), ()),
    "TIFF, float64, big": (tiff(np.float64, bigtiff=True), ()),
    "TIFF, int16 with -1": (minus_one, ("--ignore=-1",)),
    "TIFF, 4 bits a label": (in_four_bits, ("--ignore", "15")),
    "PGM, maxval 15": (pgm, ("--ignore", "15")),
    "npy, int64": (array, ()),
    "GIF": (gif, ()),
    "BMP": (bmp, ()),
}


def folder_of(folder: Path, write: Write, labels: list[Labels] | None = None) -> Path:
    """Write pictures and labels, and return the folder."""
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    for number, (image, mask) in enumerate(zip(PICTURES, labels or truth(), strict=True)):
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        write(folder / "labels" / f"{number}", mask)
    return folder
