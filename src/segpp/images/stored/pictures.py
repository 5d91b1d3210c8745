"""JPEG and WebP: colours of 8 bits, which Pillow decodes as they are."""

from pathlib import Path

import numpy as np
from PIL import Image

from segpp.images.stored.base import (
    CONTAINERS,
    Container,
    Stored,
    check_page,
    check_size,
    extra_of,
    orientation_of,
    plain,
)

_KEPT = {"L", "LA", "RGB", "RGBA"}


def _jpeg(path: Path, page: int) -> Stored:
    # A phone's file of several pictures: the others are previews of the first, or its depth.
    check_page(path, page, 1)
    with Image.open(path, formats=["JPEG"]) as image:
        return _stored(path, image, 1)


def _webp(path: Path, page: int) -> Stored:
    with Image.open(path, formats=["WEBP"]) as image:
        pages = int(getattr(image, "n_frames", 1))
        check_page(path, page, pages)
        image.seek(page)
        return _stored(path, image, pages)


def _stored(path: Path, image: Image.Image, pages: int) -> Stored:
    check_size(path, (image.height, image.width, len(image.getbands())))
    kept = image if image.mode in _KEPT else image.convert("RGB")
    turn, extra = orientation_of(image), extra_of(kept.mode)
    return Stored(plain(np.array(kept)), pages=pages, extra=extra, orientation=turn)


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


CONTAINERS.register("JPEG")(Container(lambda head: head.startswith(b"\xff\xd8\xff"), _jpeg))
CONTAINERS.register("WebP")(Container(_is_webp, _webp))
