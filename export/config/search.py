"""The images that an export measures and chooses on before there is a file."""

from collections.abc import Sequence

from segpp.export.config import AUTO, ExportConfig
from segpp.export.images import SearchImage, search_images
from segpp.images import sample_image
from segpp.manifest import InputSpec

__all__ = ["channels_note", "has_no_picture", "images_to_search", "search_note"]

_FRAME = 3


def has_no_picture(spec: InputSpec) -> bool:
    """Whether the bundled scene cannot stand for what a network takes."""
    # It has three channels; one frame stands for several, grey and depth for none.
    return bool(spec.channels % _FRAME)


def images_to_search(config: ExportConfig, spec: InputSpec) -> tuple[SearchImage, ...]:
    """Return the caller's images, else the one of the parity check.

    Raises:
        ImageError: A folder holds none.
    """
    named = config.search_images or tuple(filter(None, [config.parity_image]))
    if not named and has_no_picture(spec):
        return search_images((), spec)
    return search_images(named or (sample_image(),), spec)


def search_note(config: ExportConfig, spec: InputSpec) -> str | None:
    """Return one sentence where the search for shared matches saw no photograph."""
    named = config.search_images or config.parity_image
    if config.match_interval != AUTO or named or not has_no_picture(spec):
        return None
    return (
        f"which matches serve again was measured on a made image of {spec.channels} channel(s), "
        "not on photographs: --search-images"
    )


def channels_note(config: ExportConfig, images: Sequence[SearchImage]) -> str | None:
    """Return one sentence where channels were chosen on an image that nobody gave for it."""
    if config.search_images or not images:
        return None
    return f"channels were chosen on {images[0].name} alone; give a hundred: --search-images"
