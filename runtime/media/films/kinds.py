"""Whether a file is a film: by what it begins with, and by its ending where that tells nothing."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PIL import Image

from segpp.images.preprocess import IMAGE_SUFFIXES

__all__ = ["VIDEO_SUFFIXES", "is_film", "kind_of_content"]

# What is looked for in a folder, and what a file of unknown content is believed to be.
_SUFFIXES = """
    .264 .265 .266 .3g2 .3gp .asf .av1 .avi .avs2 .divx .dv .f4v .flv .h261 .h263 .h264 .h265 .hevc
    .ivf .m2t .m2ts .m2v .m4v .mj2 .mjpeg .mjpg .mk3d .mkv .mov .mp4 .mpeg .mpg .mpv .mts .mxf .nut
    .obu .ogv .qt .rm .rmvb .ts .vc1 .vob .vvc .webm .wmv .wtv .y4m
"""
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())

_Kind = Literal["picture", "film"]

_HEAD_BYTES = 4096
_PICTURES = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\x93NUMPY", b"8BPS", b"BM"),
    *(f"P{number}".encode() for number in range(1, 8)),
)
_FILMS = (
    *(b"\x1aE\xdf\xa3", b"FLV\x01", b"OggS", b"YUV4MPEG2", b"DKIF", b"nut/multimedia", b".RMF"),
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF: WMV
    b"\xb7\xd8\x00\x20\x37\x49\xda\x11",  # WTV
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01",  # MXF
    *(b"\0\0\1\xba", b"\0\0\1\xb3", b"\0\0\0\1", b"\0\0\1\x67", b"\x1f\x07\x00"),
)
# The first box of ISO media files and of QuickTime before them.
_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
# Pictures in the same boxes, by their brand.
_STILLS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"}
# Transport streams have this byte every 188 bytes, those of camcorders four bytes before each.
_SYNC, _PACKETS = 0x47, ((0, 188), (4, 192))
# A film of JPEGs begins as one of them, and the next one follows at once.
_JPEG, _NEXT_JPEG, _SEARCHED = b"\xff\xd8\xff", b"\xff\xd9\xff\xd8", 1 << 22
# Before the pixels of a PNG that has several.
_ANIMATION = b"acTL"


def is_film(path: Path) -> bool:
    """Return whether a file is a film, whatever its name; a missing one by its ending."""
    suffix, head = path.suffix.lower(), _head(path)
    kind = _kind_of(head)
    if kind == "picture":
        return _is_animated(path, head) or _is_jpeg_film(path, head)
    return kind == "film" or suffix in VIDEO_SUFFIXES


def kind_of_content(path: Path) -> _Kind | None:
    """Return what a file begins like; None where that tells nothing, or it cannot be read."""
    return _kind_of(_head(path))


def _head(path: Path) -> bytes:
    try:
        # A pipe may never begin.
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def _kind_of(head: bytes) -> _Kind | None:
    if head[4:8] in _BOXES and not head.startswith(b"\0\0\0\x0cjP"):
        return "picture" if head[8:12] in _STILLS else "film"
    if head.startswith(b"RIFF"):
        return {b"AVI ": "film", b"WEBP": "picture"}.get(head[8:12])  # type: ignore[return-value]  # of _Kind
    if head.startswith(_PICTURES):
        return "picture"
    return "film" if head.startswith(_FILMS) or _is_transport_stream(head) else None


def _is_transport_stream(head: bytes) -> bool:
    return any(
        len(head) > start + length and head[start] == head[start + length] == _SYNC
        for start, length in _PACKETS
    )


def _is_jpeg_film(path: Path, head: bytes) -> bool:
    suffix = path.suffix.lower()
    # Cameras put previews behind their pictures, too.
    if not head.startswith(_JPEG) or suffix in IMAGE_SUFFIXES:
        return False
    if suffix in VIDEO_SUFFIXES:
        return True
    with path.open("rb") as file:
        return _NEXT_JPEG in file.read(_SEARCHED)


def _is_animated(path: Path, head: bytes) -> bool:
    """Return whether a picture is a film, as far as there is something to play it."""
    if find_spec("av") is None:
        return False
    if not head.startswith(b"GIF8"):
        # Animated WebP is nothing that FFmpeg plays.
        return head.startswith(b"\x89PNG") and _ANIMATION in head
    try:
        with Image.open(path, formats=["GIF"]) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - a damaged file makes Pillow raise a dozen kinds of error
        return False
