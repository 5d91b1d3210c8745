"""Picture files as a series: those of a folder, and every page or frame of one that has several."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image

from segpp.errors import ImageError
from segpp.images.channels import ARRAY_SUFFIX, load_channels, load_for, to_gray
from segpp.images.preprocess import IMAGE_SUFFIXES, ImageArray
from segpp.images.stored import container_of, count_pages
from segpp.manifest import InputSpec
from segpp.runtime.media.items import Frame, ImageItem, ImageName, ImageSource, numbered
from segpp.utils.terminal import one_line

__all__ = [
    "as_film",
    "items_of",
    "names_of",
    "page_items",
    "pages_in",
    "picture_item",
    "pictures_in",
]

_READ = IMAGE_SUFFIXES | {ARRAY_SUFFIX}
# What is read where a package is installed, and how to come by it.
_PACKAGES = {
    **dict.fromkeys((".heic", ".heif"), "HEIC needs segpp[heic]"),
    ".avif": "AVIF needs Pillow 11.3 or newer",
}
# What a Mac leaves beside files on other disks, and what systems keep about folders.
_RESOURCE_FORK = "._"
_HIDDEN = {"thumbs.db", "desktop.ini"}
_MOST_NAMED = 3
_DIGITS = 4
_RGB = 3
# As browsers show frames that say no time.
_USUAL_MS = 100


def pictures_in(
    folder: Path, also: Callable[[Path], bool] = lambda _: False
) -> tuple[list[Path], tuple[str, ...]]:
    """Return the pictures of a folder in the order of names, and a word on what is passed over.

    Folders are read one level deep.

    Args:
        folder: The folder.
        also: What else is wanted: films.

    Raises:
        ImageError: There is none.
    """
    inside = sorted(path for path in folder.iterdir() if path.is_file() and not _is_hidden(path))
    files = [path for path in inside if path.suffix.lower() in _READ or also(path)]
    notes = tuple(_passed_over(folder, [path for path in inside if path not in {*files}]))
    if not files:
        kinds = ", ".join(sorted(_READ))
        raise ImageError(
            f"the folder {folder} holds no images and no videos",
            *notes,
            f"looked for: {kinds}, and videos",
        )
    return files, notes


def _is_hidden(path: Path) -> bool:
    return path.name.startswith((_RESOURCE_FORK, ".")) or path.name.lower() in _HIDDEN


def _passed_over(folder: Path, files: Sequence[Path]) -> Iterator[str]:
    known = [path for path in files if path.suffix.lower() in _PACKAGES]
    for path in known[:_MOST_NAMED]:
        yield one_line(f"passed over {path}: {_PACKAGES[path.suffix.lower()]}")
    if len(known) > _MOST_NAMED:
        yield one_line(f"passed over {len(known) - _MOST_NAMED} more of the kind in {folder}")
    if others := [path for path in files if path not in {*known}]:
        endings = ", ".join(sorted({path.suffix.lower() or path.name for path in others})[:8])
        count = f"{len(others)} file{'s' * (len(others) > 1)}"
        yield one_line(
            f"passed over {count} in {folder} without the ending of a picture ({endings})"
        )


def names_of(files: Sequence[Path]) -> list[str]:
    """Return one name per file: its stem, or more of its path where stems repeat."""
    for names in ([path.stem for path in files], [path.name for path in files]):
        if len(set(names)) == len(names):
            return names
    # x/a.png and y/a.png: x__a.png and y__a.png.
    names = ["__".join(part for part in path.parts if part != path.anchor) for path in files]
    if len(set(names)) != len(names):
        raise ImageError("two of the images would have outputs of one name")
    return names


def pages_in(files: Sequence[Path]) -> tuple[int, ...]:
    """Return how many pages or frames every file has; 1 of one that cannot be read."""
    return tuple(map(count_pages, files))


def items_of(files: Sequence[Path], pages: Sequence[int]) -> Iterator[ImageItem]:
    """Yield every page of every file; those of a file of several are numbered, ``stack-0001``.

    Raises:
        ImageError: Two of them would have one name.
    """
    names: set[str] = set()
    for name, path, count in zip(names_of(files), files, pages, strict=True):
        for item in _pages(name, path, count):
            if item.name in names:
                raise ImageError("two of the images would have outputs of one name", item.name)
            names.add(item.name)
            yield item


def page_items(path: Path, name: str) -> Iterator[ImageItem]:
    """Yield every page of a file.

    Args:
        path: The file.
        name: What its outputs are named after.
    """
    yield from _pages(name, path, count_pages(path))


def picture_item(path: Path, named: ImageName) -> ImageItem:
    """Return the first page of a file."""
    return ImageItem(named, partial(load_channels, path), partial(load_for, path))


def _pages(name: str, path: Path, count: int) -> Iterator[ImageItem]:
    if count == 1:
        yield picture_item(path, ImageName(name, str(path)))
        return
    digits = max(_DIGITS, len(str(count)))
    animation = _Animation(path) if _is_animation(path) else None
    for page in range(count):
        named = ImageName(f"{name}-{page + 1:0{digits}d}", str(path))
        load = partial(load_channels, path, page=page)
        if animation:
            yield ImageItem(named, load, partial(animation.load_for, page))
        else:
            yield ImageItem(named, load, partial(load_for, path, page=page))


def as_film(source: ImageSource) -> ImageSource | None:
    """Return an animation as a video, its frames at their times; None for anything else."""
    if len(source.files) != 1 or source.count in {None, 1} or not _is_animation(source.files[0]):
        return None
    [path] = source.files
    times = _times(path)
    return ImageSource(
        "video",
        source.name,
        lambda: numbered(str(path), _frames(path, times)),
        count=len(times.starts),
        files=source.files,
        rate=len(times.starts) / times.seconds,
        notes=source.notes,
    )


def _is_animation(path: Path) -> bool:
    with suppress(ImageError, OSError):
        return container_of(path) in {"GIF", "PNG", "WebP"}
    return False


class _Animation:
    """Frames of one file, each drawn over those before; read in order they are drawn once."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._image: Image.Image | None = None

    def load_for(self, page: int, spec: InputSpec) -> ImageArray:
        """Return a frame as an input takes it."""
        if spec.bands is not None or (spec.channels != 1 and spec.channels % _RGB):
            return load_for(self._path, spec, page=page)
        pixels = self.frame(page)
        return to_gray(pixels) if spec.channels == 1 else pixels

    def frame(self, page: int) -> ImageArray:
        """Return a frame (H, W, 3).

        Raises:
            ImageError: It is damaged.
        """
        with self._lock:
            try:
                if self._image is None:
                    # In memory: nobody says when the last frame was taken and a file may close.
                    content = BytesIO(self._path.read_bytes())
                    self._image = Image.open(content, formats=["GIF", "PNG", "WEBP"])
                self._image.seek(page)
                return np.array(_opaque(self._image))
            except Exception as failure:  # of a damaged file Pillow raises a dozen kinds of error
                raise ImageError(f"{self._path} is damaged", str(failure)) from failure


def _opaque(image: Image.Image) -> Image.Image:
    if "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


@dataclass(frozen=True)
class _Times:
    starts: tuple[float, ...]
    seconds: float


def _times(path: Path) -> _Times:
    starts = [0.0]
    try:
        with Image.open(path, formats=["GIF", "PNG", "WEBP"]) as image:
            for page in range(getattr(image, "n_frames", 1)):
                image.seek(page)
                # WebP tells a frame's time when it is loaded.
                image.load()
                shown = (float(image.info.get("duration") or 0) or _USUAL_MS) / 1e3
                starts.append(starts[-1] + shown)
    except Exception as failure:  # as above
        raise ImageError(f"{path} is damaged", str(failure)) from failure
    return _Times(tuple(starts[:-1]), starts[-1])


def _frames(path: Path, times: _Times) -> Iterable[Frame | ImageError]:
    animation = _Animation(path)
    for page, (start, end) in enumerate(pairwise((*times.starts, times.seconds))):
        try:
            yield Frame(animation.frame(page), start, end - start)
        except ImageError as failure:  # noqa: PERF203 - one damaged frame must not end the film
            yield failure
