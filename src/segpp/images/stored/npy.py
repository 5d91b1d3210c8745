"""Arrays as numpy.save writes them: numbers of any type, (H, W) or (H, W, C)."""

from pathlib import Path

import numpy as np

from segpp.errors import ImageError
from segpp.images.stored.base import CONTAINERS, Container, Stored, check_page, check_size, plain

_START = b"\x93NUMPY"
_DIMENSIONS = {2, 3}
# Of what is larger only the part that is looked at comes into memory.
_MAPPED_BYTES = 64 << 20


def _read(path: Path, page: int) -> Stored:
    check_page(path, page, 1)
    # Mapped, so that a header that promises more than the file holds takes no memory.
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as failure:
        raise ImageError(f"{path} is no array of numpy, or damaged", str(failure)) from failure
    kind = f"{array.dtype} ({', '.join(map(str, array.shape))})"
    if array.dtype.kind not in "buif" or array.ndim not in _DIMENSIONS or 0 in array.shape:
        raise ImageError(f"{path} holds {kind}", "an image is numbers (H, W) or (H, W, C)")
    check_size(path, array.shape, array.dtype.itemsize)
    bits = 1 if array.dtype == np.bool_ else 8 * array.dtype.itemsize
    return Stored(plain(array if array.nbytes > _MAPPED_BYTES else np.array(array)), bits=bits)


CONTAINERS.register("NPY")(Container(lambda head: head.startswith(_START), _read))
