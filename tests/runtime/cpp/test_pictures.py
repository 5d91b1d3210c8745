"""Picture files: the pixels that segpp.load_image gives, or one sentence."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import segpp
from segpp.errors import ImageError
from segpp.images.preprocess import load_image
from tests.runtime.cpp.probing import Probe, Refused

ROOT = Path(__file__).resolve().parents[3]
REAL = [segpp.sample_image(), *sorted((ROOT / "examples/street_scenes/images").glob("*.jpg"))]
SHARED = ("images/*", "camvid/val/images/*", "camvid/unseen/images/*")

Save = Callable[[Image.Image, Path], None]


def decoded(probe: Probe, path: Path) -> NDArray[np.uint8]:
    answer = probe("picture", path)
    height, width = struct.unpack("2i", answer[:8])
    return np.frombuffer(answer, np.uint8, offset=8).reshape(height, width, 3)


def smooth(mode: str, width: int = 53, height: int = 37) -> Image.Image:
    """Return a picture with edges and slopes, as photographs have them."""
    noise = np.random.default_rng(7).integers(0, 256, (6, 8, 4), np.uint8)
    colored = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    if mode in {"RGB", "RGBA"}:
        return colored.convert(mode)
    if mode == "CMYK":
        return Image.frombytes("CMYK", colored.size, colored.tobytes())
    if mode == "I;16":
        grey = np.asarray(colored.convert("L")).astype(np.uint16)
        return Image.fromarray(grey * 257 - grey)
    return colored.convert("RGB").convert(mode)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F] = "A camera with a name that does not fit into four bytes"
    tags[0x0112] = orientation
    return tags


JPEGS = {
    "444": {"subsampling": 0, "quality": 95},
    "422": {"subsampling": 1, "quality": 40},
    "420": {"subsampling": 2, "quality": 75},
    "progressive": {"progressive": True, "quality": 60},
    "optimized": {"optimize": True, "quality": 10},
    "restarts": {"restart_marker_blocks": 3},
}


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_has_the_pixels_that_python_sees(
    probe: Probe, tmp_path: Path, mode: str, options: dict[str, object]
) -> None:
    path = tmp_path / "picture.jpg"
    smooth(mode).save(path, **options)

    assert (decoded(probe, path) == load_image(path)).all()


def save_with_gamma(image: Image.Image, path: Path) -> None:
    info = PngInfo()
    info.add(b"gAMA", struct.pack(">I", 45455 * 2))
    image.save(path, pnginfo=info)


PNGS: dict[str, Save] = {
    **{
        mode: lambda _image, path, mode=mode: smooth(mode).save(path)  # type: ignore[misc]
        for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")
    },
    "four colors": lambda image, path: image.quantize(4).save(path, bits=2),
    "see-through palette": lambda image, path: image.quantize(9).save(path, transparency=2),
    "see-through color": lambda image, path: image.save(path, transparency=(1, 2, 3)),
    "gamma": save_with_gamma,
    "16 bits": lambda _image, path: path.write_bytes(deep_png(2, 6)),
    "16 bits, alpha": lambda _image, path: path.write_bytes(deep_png(6, 8)),
    "interlaced": lambda _image, path: path.write_bytes(interlaced_png()),
}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, kind: tuple[int, int], rows: bytes, *, interlace: int = 0
) -> bytes:
    """Return a file of a depth and a type of colours."""
    header = struct.pack(">IIBBBBB", width, height, *kind, 0, 0, interlace)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep_png(color: int, pixel: int) -> bytes:
    random = np.random.default_rng(1)
    rows = b"".join(b"\0" + random.bytes(11 * pixel) for _ in range(7))
    return png(11, 7, (16, color), rows)


def interlaced_png() -> bytes:
    """Return 8x8 pixels of grey in Adam7's seven passes."""
    random = np.random.default_rng(2)
    passes = ((1, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8))
    rows = b"".join(b"\0" + random.bytes(width) for height, width in passes for _ in range(height))
    return png(8, 8, (8, 0), rows, interlace=1)


@pytest.mark.parametrize("save", PNGS.values(), ids=PNGS)
def test_a_png_has_the_pixels_that_python_sees(probe: Probe, tmp_path: Path, save: Save) -> None:
    path = tmp_path / "picture.png"
    save(smooth("RGB"), path)

    assert (decoded(probe, path) == load_image(path)).all()


@pytest.mark.parametrize("orientation", [0, *range(1, 10)])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_is_upright(probe: Probe, tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"turned{suffix}"
    smooth("RGB").save(path, exif=exif(orientation))

    assert (decoded(probe, path) == load_image(path)).all()


@pytest.mark.parametrize("text", ['tiff:Orientation="6"', "<tiff:Orientation>8</tiff:Orientation>"])
def test_xmp_turns_a_picture_too(probe: Probe, tmp_path: Path, text: str) -> None:
    jpeg, png_ = tmp_path / "turned.jpg", tmp_path / "turned.png"
    smooth("RGB").save(jpeg, xmp=f"<x:xmpmeta {text}/>".encode())
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta {text}/>")
    smooth("RGB").save(png_, pnginfo=info)

    for path in (jpeg, png_):
        assert decoded(probe, path).shape == (53, 37, 3)
        assert (decoded(probe, path) == load_image(path)).all()


def test_a_camera_s_jpeg_without_its_tables_is_read(probe: Probe, tmp_path: Path) -> None:
    """Motion JPEG leaves out the Huffman tables, which are the standard's."""
    buffer = BytesIO()
    smooth("RGB").save(buffer, "JPEG")
    whole = tmp_path / "whole.jpg"
    whole.write_bytes(buffer.getvalue())
    bare = tmp_path / "bare.jpg"
    bare.write_bytes(without_segments(buffer.getvalue(), 0xC4))

    assert bare.stat().st_size < whole.stat().st_size
    assert (decoded(probe, bare) == load_image(whole)).all()


def without_segments(jpeg: bytes, marker: int) -> bytes:
    kept, place = jpeg[:2], 2
    while jpeg[place + 1] != 0xDA:
        after = place + 2 + struct.unpack(">H", jpeg[place + 2 : place + 4])[0]
        kept += b"" if jpeg[place + 1] == marker else jpeg[place:after]
        place = after
    return kept + jpeg[place:]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_a_photograph_has_the_pixels_that_python_sees(probe: Probe, path: Path) -> None:
    assert (decoded(probe, path) == load_image(path)).all()


@pytest.mark.shared
def test_shared_photographs_have_the_pixels_that_python_sees(probe: Probe, shared: Path) -> None:
    paths = [path for pattern in SHARED for path in sorted(shared.glob(pattern))[:20]]

    differing = [path for path in paths if (decoded(probe, path) != load_image(path)).any()]

    assert len(paths) > 10
    assert differing == []


def files(tmp_path: Path) -> dict[str, bytes]:
    """Return a JPEG and a PNG that are whole."""
    wholes = {}
    for suffix in ("jpg", "png"):
        path = tmp_path / f"whole.{suffix}"
        smooth("RGB").save(path)
        wholes[suffix] = path.read_bytes()
    return wholes


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_picture_cut_anywhere_is_refused(probe: Probe, tmp_path: Path, suffix: str) -> None:
    whole = files(tmp_path)[suffix]
    path = tmp_path / f"cut.{suffix}"
    # Pillow does not look at what stands behind the last pixel of a PNG.
    for size in range(0, len(whole) - 16, 37):
        path.write_bytes(whole[:size])

        with pytest.raises(Refused, match=r"is damaged|is not an image|is empty") as refused:
            probe("picture", path)

        assert refused.value.code == 2
        with pytest.raises(ImageError):
            load_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_picture_with_changed_bytes_is_read_or_refused(
    probe: Probe, tmp_path: Path, suffix: str
) -> None:
    whole = files(tmp_path)[suffix]
    random = np.random.default_rng(11)
    path = tmp_path / f"changed.{suffix}"
    codes = []
    for _ in range(300):
        changed = bytearray(whole)
        for place in random.integers(2, len(whole), 4):
            changed[place] = random.integers(0, 256)
        path.write_bytes(changed)
        try:
            decoded(probe, path)
        except Refused as failure:
            codes.append(failure.code)

    assert set(codes) == {2}


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (0, 5), (2_147_483_647, 2)])
def test_a_picture_of_a_huge_size_is_refused_before_it_takes_memory(
    probe: Probe, tmp_path: Path, width: int, height: int
) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png(width, height, (8, 2), b"\0"))

    with pytest.raises(Refused, match="is damaged"):
        probe("picture", path)


def test_other_formats_are_named_with_those_that_are_read(probe: Probe, tmp_path: Path) -> None:
    path = tmp_path / "picture.bmp"
    smooth("RGB").save(path)

    with pytest.raises(Refused, match=r"is not an image\n  read are: JPEG, PNG"):
        probe("picture", path)


WHITES = ["-", "max", "auto", "4095", "300", "1234.5", "1e5"]


@pytest.mark.parametrize("white", WHITES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_are_scaled_as_python_scales_them(
    probe: Probe, tmp_path: Path, white: str, channels: int
) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    random = np.random.default_rng(0)
    image = (random.random((37, 53, channels)) ** 3 * 9490).astype(np.uint16).squeeze()
    path = tmp_path / "x.png"
    path.write_bytes(imagecodecs.png_encode(image))
    whole = load_image(path, white="max" if white == "-" else white)

    assert (picture_for(probe, path, white) == whole).all()
    for bands in ((1,), (channels,), (channels, 1, 1)):
        expected = load_image(path, white="max" if white == "-" else white, bands=bands)
        assert (picture_for(probe, path, white, *bands) == expected).all()


def test_bands_of_eight_bits_are_those_of_python(probe: Probe, tmp_path: Path) -> None:
    for mode, suffix, bands in (
        ("RGBA", "png", (4, 2, 1)),
        ("LA", "png", (2,)),
        ("P", "png", (3, 2, 1)),
        ("L", "jpg", (1,)),
        ("RGB", "jpg", (3, 2, 1)),
    ):
        smooth(mode).save(tmp_path / f"x.{suffix}")

        found = picture_for(probe, tmp_path / f"x.{suffix}", "-", *bands)

        assert (found == load_image(tmp_path / f"x.{suffix}", bands=bands)).all()


def test_a_band_that_is_not_there_is_told_in_the_words_of_python(
    probe: Probe, tmp_path: Path
) -> None:
    smooth("L").save(tmp_path / "x.jpg")
    with pytest.raises(ImageError) as wanted:
        load_image(tmp_path / "x.jpg", bands=(1, 2, 3))

    with pytest.raises(Refused) as refused:
        picture_for(probe, tmp_path / "x.jpg", "-", 1, 2, 3)

    assert str(refused.value) == str(wanted.value)


def picture_for(probe: Probe, path: Path, white: str, *bands: int) -> NDArray[np.uint8]:
    answer = probe("picture-for", white, len(bands), *bands, path)
    height, width = struct.unpack("2i", answer[:8])
    return np.frombuffer(answer, np.uint8, offset=8).reshape(height, width, 3)
