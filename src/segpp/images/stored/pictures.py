"""JPEG, WebP, AVIF and HEIC: colours of 8 bits, which Pillow decodes as they are, or its plugins.

What a phone keeps in 10 bits becomes 8.
"""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segpp.errors import MissingError
from segpp.images.stored.base import (
    CONTAINERS,
    Container,
    Stored,
    check_page,
    check_size,
    extra_of,
    is_there,
    orientation_of,
    plain,
)

# Brands of ISO 23008-12: of HEVC, and of whatever is in the container.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_KEPT = {"L", "LA", "RGB", "RGBA"}


def _jpeg(path: Path, page: int) -> Stored:
    # A phone's file of several pictures: the others are previews of the first, or its depth.
    check_page(path, page, 1)
    with Image.open(path, formats=["JPEG"]) as image:
        return _stored(path, image, 1)


def _webp(path: Path, page: int) -> Stored:
    return _frame(path, page, "WEBP")


def _avif(path: Path, page: int) -> Stored:
    if not is_there("PIL._avif"):
        raise MissingError(
            "this Pillow reads no AVIF", f"{path} is one", hint="pip install 'pillow>=11.3'"
        )
    return _frame(path, page, "AVIF")


def _heic(path: Path, page: int) -> Stored:
    try:
        import pillow_heif  # noqa: PLC0415 - few have it
    except ModuleNotFoundError as failure:
        raise MissingError(
            "the package pillow-heif is not installed",
            f"{path} is a HEIC picture, which Pillow does not read alone",
            hint="pip install 'segpp[heic]'",
        ) from failure
    pillow_heif.register_heif_opener()
    # Other pictures in it are previews, depth and the like.
    check_page(path, page, 1)
    with Image.open(path, formats=["HEIF"]) as image:
        return _stored(path, image, 1)


def _frame(path: Path, page: int, kind: str) -> Stored:
    with Image.open(path, formats=[kind]) as image:
        pages = int(getattr(image, "n_frames", 1))
        check_page(path, page, pages)
        image.seek(page)
        return _stored(path, image, pages)


def _stored(path: Path, image: Image.Image, pages: int) -> Stored:
    check_size(path, (image.height, image.width, len(image.getbands())))
    kept = image if image.mode in _KEPT else image.convert("RGB")
    turn, extra = orientation_of(image), extra_of(kept.mode)
    return Stored(plain(np.array(kept)), pages=pages, extra=extra, orientation=turn)


def _count(kind: str, path: Path) -> int:
    with Image.open(path, formats=[kind]) as image:
        return int(getattr(image, "n_frames", 1))


def _is_avif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and b"avi" in head[8:]


def _is_heic(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and not _is_avif(head) and any(one in head[8:] for one in _HEIC)


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


CONTAINERS.register("JPEG")(Container(lambda head: head.startswith(b"\xff\xd8\xff"), _jpeg))
CONTAINERS.register("WebP")(Container(_is_webp, _webp, partial(_count, "WEBP")))
CONTAINERS.register("AVIF")(Container(_is_avif, _avif, partial(_count, "AVIF")))
CONTAINERS.register("HEIC")(Container(_is_heic, _heic))
