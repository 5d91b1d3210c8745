"""HEIC and AVIF, as phones and browsers keep pictures."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from segpp.errors import ImageError
from segpp.images.preprocess import load_image
from segpp.images.stored import read_stored
from tests.helpers.commands import python_without

# Colours of 8 bits that became YCbCr and came back.
_ROUNDED = 3


def street(height: int = 40, width: int = 60) -> Image.Image:
    """Return a smooth picture whose corners differ, so that every turn shows."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = (4 * rows, 3 * columns, 2 * rows + columns)
    return Image.fromarray(np.stack(planes, 2).astype(np.uint8))


def heic(image: Image.Image, path: Path, **options: object) -> Path:
    """Write a picture without loss."""
    pillow_heif.from_pillow(image).save(
        path, quality=-1, chroma="444", matrix_coefficients=0, **options
    )
    return path


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_what_is_written_without_loss_is_read_to_the_bit(tmp_path: Path, mode: str) -> None:
    image = street().convert(mode)
    found = read_stored(heic(image, tmp_path / "a.heic"))

    assert np.array_equal(found.array, image)


def test_ten_bits_become_eight(tmp_path: Path) -> None:
    deep = np.multiply(np.asarray(street()), 257, dtype=np.uint16)
    path = tmp_path / "a.heic"
    pillow_heif.encode(
        "RGB;16", (60, 40), deep.tobytes(), path, quality=-1, chroma="444", matrix_coefficients=0
    )

    found = read_stored(path).array

    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - np.asarray(street())).max() <= 1


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_a_phone_held_otherwise_gives_the_same_picture(tmp_path: Path, turn: int) -> None:
    upright = street()
    back = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    way = back.get(turn, Image.Transpose.ROTATE_270)
    held = upright if way is None else upright.transpose(way)
    exif = Image.Exif()
    exif[0x0112] = turn

    found = load_image(heic(held, tmp_path / "a.heic", exif=exif.tobytes()))

    assert np.array_equal(found, upright)


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_avif_is_read_and_turned(tmp_path: Path, turn: int) -> None:
    upright = street()
    back = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    way = back.get(turn, Image.Transpose.ROTATE_270)
    held = upright if way is None else upright.transpose(way)
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / "a.avif"
    held.save(path, quality=100, subsampling="4:4:4", exif=exif)

    found = load_image(path)

    assert np.abs(found.astype(int) - np.asarray(upright)).max() <= _ROUNDED


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_what_is_cut_off_or_changed_is_one_sentence(tmp_path: Path, kind: str) -> None:
    whole, broken = tmp_path / f"a.{kind}", tmp_path / f"b.{kind}"
    if kind == "heic":
        heic(street(), whole)
    else:
        street().save(whole, quality=100)
    content = bytearray(whole.read_bytes())
    draw = np.random.default_rng(0)
    for end in (12, 40, len(content) // 2, len(content) - 1):
        broken.write_bytes(content[:end])
        read_or_refused(broken)
    for _ in range(100):
        changed = bytearray(content)
        changed[int(draw.integers(12, len(content)))] ^= 1 << int(draw.integers(8))
        broken.write_bytes(changed)
        read_or_refused(broken)


def read_or_refused(path: Path) -> None:
    """Read it, or be refused in a sentence that names it; anything else is an error of ours."""
    with suppress(ImageError):
        assert read_stored(path).array.ndim >= 2


def test_without_the_package_it_is_named(tmp_path: Path) -> None:
    path = heic(street(), tmp_path / "a.heic")
    code = "import sys; from segpp.images.stored import read_stored; read_stored(sys.argv[1])"

    done = python_without(["pillow_heif"], code, path)

    assert "the package pillow-heif is not installed" in done.stderr
    assert "pip install 'segpp[heic]'" in done.stderr
