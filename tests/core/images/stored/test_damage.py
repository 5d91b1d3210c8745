"""Files that are cut short, changed, or promise too much, and files that are no images."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segpp.errors import ImageError
from segpp.images.stored import read_stored
from tests.core.images.stored.files import bit_tiff, chunk, png, read


def originals() -> dict[str, bytes]:
    array = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    found = {}
    for kind in ("PNG", "BMP", "GIF", "JPEG", "WEBP", "JPEG2000", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, kind)
        found[kind] = buffer.getvalue()
    for compression in (None, "zlib", "lzw"):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, array, photometric="rgb", compression=compression)
        found[f"TIFF {compression}"] = buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, array)
    found["NPY"] = buffer.getvalue()
    found["deep PNG"] = png(array.astype(np.uint16), 16, 2, interlaced=False)
    found["bits"] = bit_tiff(array[:, :, 0] & 15, 4, 1, None, deflated=True)
    return found


ORIGINALS = originals()


@pytest.mark.parametrize("kind", ORIGINALS)
def test_what_is_cut_short_is_damaged(tmp_path: Path, kind: str) -> None:
    whole = ORIGINALS[kind]

    for share in (0.95, 0.5, 0.1):
        with pytest.raises(ImageError):
            read(whole[: int(share * len(whole))], tmp_path)


@pytest.mark.parametrize("kind", ORIGINALS)
def test_flipped_bytes_raise_nothing_but_our_errors(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(ORIGINALS[kind])
        for at in random.integers(0, min(len(content), 400), 3):
            content[at] = random.integers(256)
        try:
            found = read(bytes(content), tmp_path)
        except ImageError:
            continue
        assert found.array.ndim in {2, 3}


def test_what_promises_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")

    for content in (bomb, b"P5 60000 60000 255\n\0", b"P2 60000 60000 255\n0"):
        with pytest.raises(ImageError, match=r"too large|cut short"):
            read(content, tmp_path)


@pytest.mark.parametrize("shape", [(20_000, 20_000), (12_000, 12_000, 40)])
def test_an_array_too_large_to_be_a_picture_is_refused(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    # All of it is there, in a file that takes no place on the disk.
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, shape)

    with pytest.raises(ImageError, match="is too large"):
        read_stored(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"plain text\n" * 9, "it is text"),
        (b"%PDF-1.4" + b" " * 99, "a PDF document"),
        (b"\0", "no"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=rf"is not an image\n.*{says}"):
        read(content, tmp_path)
