"""What the functions of the API take for paths and sizes, and how it becomes ours."""

from collections.abc import Sequence
from pathlib import Path

from segpp.ops.grid import Size, parse_size

__all__ = ["PathLike", "SizeLike", "to_paths", "to_size"]

PathLike = Path | str
SizeLike = Size | tuple[int, int] | str


def to_size(size: SizeLike | None) -> Size | None:
    """Return ``(512, 1024)`` or ``"512x1024"`` as a size, None as None."""
    if size is None:
        return None
    return parse_size(size) if isinstance(size, str) else Size(*size)


def to_paths(models: PathLike | Sequence[PathLike]) -> list[Path]:
    """Return one path or several as a list."""
    return [Path(models)] if isinstance(models, str | Path) else list(map(Path, models))
