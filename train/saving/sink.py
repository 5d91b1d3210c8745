"""``torch.save`` into a file, with the disk's own words where it is full."""

from pathlib import Path
from typing import IO, Any

import torch

__all__ = ["save"]


class _Sink:
    """Passes on what is written, and remembers why it could not be.

    PyTorch makes an error of its own of it, which tells positions in its archive; and into a file
    that has a number it writes by itself.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, content: Any) -> int:
        try:
            return self._file.write(content)
        except OSError as failure:
            self.failure = failure
            raise

    def flush(self) -> None:
        self._file.flush()


def save(content: Any, path: Path, *, is_zip: bool = True) -> None:
    """Write an object as ``torch.save`` does.

    Args:
        content: What it pickles.
        path: The file.
        is_zip: Whether as an archive; else as before PyTorch 1.6.

    Raises:
        OSError: The disk is full, or takes no file that large.
    """
    with path.open("wb") as file:
        sink = _Sink(file)
        try:
            torch.save(content, sink, _use_new_zipfile_serialization=is_zip)  # type: ignore[arg-type]  # written to alone
        except RuntimeError as failure:
            if sink.failure is None:
                raise
            raise sink.failure from failure
