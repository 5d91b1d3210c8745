"""Pictures as a network takes them, read once and kept small as long as there is room."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import ImageError, PictureWarning
from segpp.images.channels import load_for
from segpp.images.fit import place
from segpp.images.preprocess import ImageArray, prepare
from segpp.manifest import InputSpec

__all__ = ["Reader", "left_out", "network_input", "readable"]

# A crop of a picture is resized to the network's size: more than this much larger is never seen.
_SPARE = 1.5
_MOST_KEPT_BYTES = 1 << 30
_RGB = 3


@dataclass
class Reader:
    """Reads pictures (H, W, C), large ones shrunk, and keeps what it read.

    Args:
        spec: What the network takes, as floats, normalised.
    """

    spec: InputSpec
    _kept: dict[Path, ImageArray] = field(default_factory=dict)
    _inputs: dict[Path, NDArray[np.float32]] = field(default_factory=dict)
    _bytes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, path: Path) -> ImageArray:
        """Return a picture that is at most half as large again as the network sees it.

        Raises:
            ImageError: It cannot be read, or has other channels.
        """
        with self._lock:
            kept = self._kept.get(path)
        if kept is None:
            kept = _shrunk(load_for(path, self.spec), self.spec)
            self._keep(path, kept)
        return kept

    def whole(self, path: Path) -> NDArray[np.float32]:
        """Return a picture as the exported file takes it, (1, C, h, w): nothing shrunk before.

        Raises:
            ImageError: As above.
        """
        if path not in self._inputs:
            made = network_input(load_for(path, self.spec), self.spec)
            if self._bytes + made.nbytes > _MOST_KEPT_BYTES:
                return made
            self._inputs[path] = made
            self._bytes += made.nbytes
        return self._inputs[path]

    def _keep(self, path: Path, picture: ImageArray) -> None:
        with self._lock:
            if path not in self._kept and self._bytes + picture.nbytes <= _MOST_KEPT_BYTES:
                self._kept[path] = picture
                self._bytes += picture.nbytes


def readable(paths: Sequence[Path], spec: InputSpec) -> tuple[Path, ...]:
    """Return the pictures that can be read; of each that cannot, a warning says why."""
    return tuple(path for path in paths if _is_read(path, spec))


def left_out(failure: ImageError) -> None:
    """Warn of a picture that cannot be read."""
    warnings.warn(f"left out: {failure.problem}", PictureWarning, stacklevel=2)


def _is_read(path: Path, spec: InputSpec) -> bool:
    try:
        load_for(path, spec)
    except ImageError as failure:
        left_out(failure)
        return False
    return True


def network_input(picture: ImageArray, spec: InputSpec) -> NDArray[np.float32]:
    """Return a picture (H, W, C) as the network takes it, (1, C, h, w), normalised.

    A network of several frames sees the same one in each.
    """
    frames = spec.channels // picture.shape[2]
    stacked = picture if frames == 1 else np.concatenate([picture] * frames, axis=2)
    single = replace(spec, shape=(1, *spec.shape[1:]))
    made: NDArray[Any] = prepare([stacked], single)
    return made


def _shrunk(picture: ImageArray, spec: InputSpec) -> ImageArray:
    height, width, channels = picture.shape
    placed = place((height, width), spec)
    rows = min(height, round(_SPARE * placed.rows.content))
    columns = min(width, round(_SPARE * placed.columns.content))
    # Half as large is worth it, and only what Pillow takes whole.
    if 2 * rows * columns > height * width or channels not in {1, _RGB}:
        return picture
    flat = Image.fromarray(picture if channels == _RGB else picture[:, :, 0])
    smaller = np.asarray(flat.resize((columns, rows), Image.Resampling.BOX))
    return smaller if smaller.ndim == picture.ndim else smaller[:, :, None]
