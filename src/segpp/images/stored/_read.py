"""From a path to what is stored there: the kind by the first bytes, one error per reason."""

import warnings
from contextlib import suppress
from pathlib import Path

from PIL import Image

from segpp.errors import ImageError, SegppError
from segpp.images.stored.base import CONTAINERS, HEAD_BYTES, Stored, damaged
from segpp.utils import arguments
from segpp.utils.file_type import kind_of
from segpp.utils.files import check_file

__all__ = ["container_of", "count_pages", "read_stored"]


def read_stored(path: Path | str, *, page: int = 0) -> Stored:
    """Return what a page of an image file stores.

    Nothing of it is scaled, turned round, or looked up in a palette. The name of the file does
    not count.

    Args:
        path: BMP, GIF, JPEG, JPEG 2000, PNG, PNM, TIFF, WebP, and arrays of numpy.
        page: Of several, from 0.

    Raises:
        ImageError: It is missing, no image, damaged, cut short or too large, or has no such page.
        MissingError: It needs a package that is not installed.
    """
    path = arguments.path("path", path)
    container = CONTAINERS[container_of(path)]
    try:
        with warnings.catch_warnings():
            # Of odd metadata, and from 90 megapixels on.
            warnings.simplefilter("ignore")
            return container.read(path, page)
    except SegppError:
        raise
    except Image.DecompressionBombError as failure:
        raise ImageError(f"{path} is too large", str(failure)) from failure
    except MemoryError as failure:
        raise ImageError(f"{path} is too large for the memory") from failure
    except Exception as failure:  # of a damaged file readers raise a dozen kinds of error
        raise damaged(path, failure) from failure


def count_pages(path: Path) -> int:
    """Return how many pages or frames a file has; 1 of one that cannot be read."""
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return max(CONTAINERS[container_of(path)].pages(path), 1)
    return 1


def container_of(path: Path) -> str:
    """Return the name of the kind of file.

    Raises:
        ImageError: None of them knows it, or it is no file.
    """
    # A pipe may never begin.
    check_file(path, kind="image", error=ImageError)
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for name, container in CONTAINERS.items():
        if container.knows(head):
            return name
    raise ImageError(
        f"{path} is not an image",
        f"it is {kind_of(path).says}; read are: {', '.join(CONTAINERS)}",
    )
