"""Labels as a network's masks lie on its input: cut, resized and padded with their pictures."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segpp.images.fit import Span, place
from segpp.manifest import InputSpec

__all__ = ["LabelReader", "Labelling"]

_NO_LABEL = -1
_MOST_KEPT_BYTES = 256 << 20


class Labelling(Protocol):
    """Labels of pictures, from wherever."""

    def labels(self, picture: Path) -> NDArray[np.int32]:
        """Return the class of each pixel (h, w); -1 of those that do not count."""
        ...


@dataclass
class LabelReader:
    """Reads the labels of pictures, and keeps what it read.

    Args:
        labelling: The labels.
        spec: What the network takes.
    """

    labelling: Labelling
    spec: InputSpec
    _kept: dict[Path, NDArray[np.int32]] = field(default_factory=dict)
    _bytes: int = 0

    def of(self, picture: Path, size: tuple[int, ...]) -> NDArray[np.int32]:
        """Return the labels of a picture at a size (h, w) in pixels, of each the nearest.

        Raises:
            ImageError: They cannot be read.
        """
        if (kept := self._kept.get(picture)) is not None:
            return kept
        read = self.labelling.labels(picture)
        rows, columns = (
            (np.arange(side) + 0.5) * (own / side)
            for side, own in zip(size, read.shape, strict=True)
        )
        made = read[np.ix_(rows.astype(int), columns.astype(int))]
        if self._bytes + made.nbytes <= _MOST_KEPT_BYTES:
            self._kept[picture] = made
            self._bytes += made.nbytes
        return made

    def as_input(self, labels: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return labels (h, w) where the picture lies in the network's input (H, W).

        What stands beside a letterboxed picture does not count.
        """
        placed = place((labels.shape[0], labels.shape[1]), self.spec)
        rows, columns = _sources(placed.rows), _sources(placed.columns)
        made: NDArray[np.int64] = labels[np.ix_(rows.clip(0), columns.clip(0))].astype(np.int64)
        made[rows < 0], made[:, columns < 0] = _NO_LABEL, _NO_LABEL
        return made


def _sources(span: Span) -> NDArray[np.int64]:
    """Return the pixel of the picture under each pixel of the input; -1 where there is none."""
    centers = np.arange(span.network) - span.start + 0.5
    pixels: NDArray[np.int64] = (centers * (span.picture / span.content)).astype(np.int64)
    pixels[pixels >= span.picture] = -1
    return pixels
