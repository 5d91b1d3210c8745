"""Images on their way in: a source of them, one by one, each with its name and its time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from segpp.errors import ImageError
from segpp.images.channels import to_gray
from segpp.images.preprocess import ImageArray
from segpp.manifest import InputSpec
from segpp.runtime.media.live.account import LiveAccount

__all__ = ["Frame", "ImageItem", "ImageName", "ImageSource", "numbered"]


@dataclass(frozen=True)
class ImageName:
    """What is known of an image but its pixels: what may be kept of every frame of a film.

    Args:
        name: What its outputs are named after, unique within the source.
        file: Where it comes from, for messages.
        time: When a frame is shown, in seconds by its film's clock, or since the first frame that
            was taken of a live source; None for what has no time.
        captured: When a live frame came, by ``time.monotonic``.
        lasting: For how long a frame is shown, in seconds; None for as long as is usual.
    """

    name: str
    file: str
    time: float | None = None
    captured: float | None = None
    lasting: float | None = None


@dataclass(frozen=True)
class ImageItem:
    """One image that is yet to be read; it may hold megabytes, so nobody keeps it.

    Args:
        named: What it is called.
        load: Reads it, with as many channels as it is told or else 3; raises ImageError if that
            fails.
        load_for: Reads it as an input takes it, where that says more than channels: of files what
            is white and which bands are meant.
    """

    named: ImageName
    load: Callable[..., ImageArray]
    load_for: Callable[[InputSpec], ImageArray] | None = None

    def pixels_for(self, spec: InputSpec) -> ImageArray:
        """Return the image as an input takes it; raises ImageError as ``load``."""
        return self.load_for(spec) if self.load_for else self.load(spec.channels)

    @property
    def name(self) -> str:
        """What its outputs are named after."""
        return self.named.name


@dataclass(frozen=True)
class ImageSource:
    """A series of images.

    Args:
        kind: One image, several, or a video: frames in the order of time, also a camera's.
        name: What the user calls it, for messages.
        items: Yields the images in order, none of them read yet.
        count: How many, where that is known beforehand.
        files: The files that are read, so that none of them is written over; a camera has none.
        rate: Frames per second of a video.
        live: What became of the frames of a camera or a stream, which waits for nobody; None for
            what is stored.
        stop: Makes ``items`` end soon, from any thread.
        close: Gives a device back.
        stem: What a single output is named after, where that is not the first file.
        names: What outputs are named after, as far as it is known before films are read; None
            where ``items`` tells.
        has_films: Whether frames of films are among several images.
        film: The stored film that all frames are from; one that is made of them takes after it.
        is_whole: Whether it is wanted to its end.
        is_heard: Whether a live source has sound, which no film of it gets.
        notes: What is to be said of it, a sentence each: what was passed over.
    """

    kind: Literal["image", "images", "video"]
    name: str
    items: Callable[[], Iterator[ImageItem]]
    count: int | None = None
    files: tuple[Path, ...] = ()
    rate: float | None = None
    live: LiveAccount | None = None
    stop: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None
    stem: str | None = None
    names: tuple[str, ...] | None = None
    has_films: bool = False
    film: Path | None = None
    is_whole: bool = True
    is_heard: bool = False
    notes: tuple[str, ...] = ()

    @property
    def known_names(self) -> Iterable[str]:
        """What outputs are named after, as far as it is known before anything is read."""
        if self.kind == "video":
            return ()
        return (item.name for item in self.items()) if self.names is None else self.names


@dataclass(frozen=True)
class Frame:
    """One picture of a film.

    Args:
        pixels: RGB (H, W, 3).
        time: When it is shown, in seconds by the film's clock; None where it does not say.
        lasting: For how long, in seconds; None where it does not say.
    """

    pixels: ImageArray
    time: float | None = None
    lasting: float | None = None


def numbered(name: str, frames: Iterable[Frame | ImageError]) -> Iterator[ImageItem]:
    """Yield frames as items; damage surfaces when an item is loaded.

    Args:
        name: Where they come from, for messages.
        frames: Each, or an error for one that is damaged.
    """
    for number, frame in enumerate(_to_the_end(frames), start=1):
        named = ImageName(f"frame-{number:06d}", name)
        if isinstance(frame, Frame):
            named = replace(named, time=frame.time, lasting=frame.lasting)
        yield ImageItem(named, partial(_pixels_of, frame))


def _to_the_end(frames: Iterable[Frame | ImageError]) -> Iterator[Frame | ImageError]:
    """Yield also the error that ends a video, as one more damaged frame."""
    try:
        yield from frames
    except ImageError as failure:
        yield failure


def _pixels_of(frame: Frame | ImageError, channels: int = 3) -> ImageArray:
    if isinstance(frame, ImageError):
        raise frame
    return to_gray(frame.pixels) if channels == 1 else frame.pixels
