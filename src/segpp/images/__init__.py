"""The image that comes with segpp, for whoever gives none."""

from importlib.resources import files
from pathlib import Path

__all__ = ["sample_image"]


def sample_image() -> Path:
    """Return the path of a drawn street scene, 512x1024."""
    return Path(str(files("segpp.images") / "street.jpg"))
