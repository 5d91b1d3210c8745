"""A TIFF of any size to a mask as TIFF: read, segmented and written some rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.images.mosaic import open_mosaic
from segpp.images.palette import Color
from segpp.images.stored import container_of
from segpp.runtime.inference.predict import Prediction
from segpp.runtime.inference.session import Session
from segpp.runtime.media.geotiff import TIFF_SUFFIXES, write_mask
from segpp.runtime.media.items import ImageSource
from segpp.runtime.media.writers import OutputTarget
from segpp.utils.files import atomic_write

__all__ = ["goes_by_windows", "segment_by_windows"]


def goes_by_windows(
    source: ImageSource, output: OutputTarget | None, session: Session, *, alone: bool
) -> bool:
    """Return whether a run reads and writes by windows: a TIFF in tiles to a mask as TIFF.

    Args:
        source: What is run.
        output: Where it goes.
        session: The network.
        alone: Nothing but the mask is wanted: no window, no page, no second network.
    """
    return (
        alone
        and source.kind == "image"
        and session.fit.startswith("tiles")
        and output is not None
        and output.one_file
        and output.path.suffix.lower() in TIFF_SUFFIXES
        and container_of(source.files[0]) == "TIFF"
    )


def segment_by_windows(
    session: Session, source: ImageSource, output: Path, palette: tuple[Color, ...]
) -> Prediction:
    """Write the mask of the source's only picture, and return what became of it.

    Raises:
        SegppError: It cannot be read, run or written.
    """
    [path] = source.files
    counts = np.zeros(len(session.classes.names), np.int64)
    with open_mosaic(path, session.input) as mosaic, atomic_write(output) as (part,):
        size = mosaic.shape[0], mosaic.shape[1]
        rows, spent = session.tile_rows(mosaic)
        write_mask(part, _counted(rows, counts), size, palette, source=path)
    [item] = source.items()
    shares = tuple((counts / (size[0] * size[1])).tolist())
    return Prediction(item.named, size, shares, spent(), [output])


def _counted(rows: Iterator[NDArray[Any]], counts: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    for some in rows:
        known = some[some < len(counts)]
        counts += np.bincount(known.reshape(-1), minlength=len(counts))
        yield some
