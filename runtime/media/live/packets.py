"""Frames out of what PyAV has opened: a camera of V4L2, an RTSP session, the body of a response."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from segpp.errors import ImageError
from segpp.images.preprocess import ImageArray
from segpp.runtime.media.live.reader import LivePicture
from segpp.runtime.media.video import import_av, upright

__all__ = ["CONTAINERS", "PacketReader", "broken", "open_packets"]

# Those that hold their own pictures: no playlist, no list of files, no device.
CONTAINERS = "mpegts,mpjpeg,mjpeg,matroska,webm,mov,mp4,flv,h264,hevc,avi,asf,ogg,mpeg"

_OPTIONS = {
    # Of the start of a stream, half a second is looked at before frames come; by default five.
    "analyzeduration": "500000",
    "probesize": "1000000",
    "fflags": "nobuffer",
}
# A header of a few bytes can claim gigabytes: 8192x8192 is the most.
_DECODING = {"max_pixels": str(1 << 26)}


class PacketReader:
    """An open container of PyAV as a camera or stream.

    Args:
        container: As ``av.open`` returns it.
        name: What the user calls it, for messages.
    """

    def __init__(self, container: Any, name: str) -> None:
        self.container, self._name = container, name
        if not container.streams.video:
            container.close()
            raise ImageError(f"{name} holds no pictures")
        self._stream = container.streams.video[0]
        self._stream.codec_context.options = _DECODING

    @property
    def rate(self) -> float | None:
        """Frames per second, as far as it says."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else None

    @property
    def is_heard(self) -> bool:
        """Whether there is sound, too, which nobody takes."""
        return bool(self.container.streams.audio)

    def pictures(self) -> Iterator[LivePicture]:
        """Yield the frames that are whole; who comes in the middle sees none at first."""
        av = import_av()
        try:
            for packet in self.container.demux(self._stream):
                captured = time.monotonic()
                for frame in _decoded(packet, av):
                    yield LivePicture(captured, partial(_pixels, frame))
        except (av.error.FFmpegError, OSError) as failure:
            raise broken(self._name, failure) from failure

    def interrupt(self) -> None:
        """Do nothing: FFmpeg ends by itself at its time limit."""

    def close(self) -> None:
        """Close the device or the connection."""
        self.container.close()


def open_packets(
    source: Any, name: str, options: dict[str, str], *, timeout: float, format_: str | None = None
) -> PacketReader:
    """Open an address, a device or a file-like object by PyAV.

    Args:
        source: What ``av.open`` takes.
        name: What the user calls it; without a password, for it is shown.
        options: For FFmpeg, with the protocols that it may use.
        timeout: Seconds for opening, and for every packet.
        format_: The demuxer, where it must not be guessed.

    Raises:
        ImageError: It cannot be opened, or holds no pictures.
        MissingError: The package av is not installed.
    """
    av = import_av()
    given, start = {**_OPTIONS, **options}, time.monotonic()
    try:
        container = av.open(source, format=format_, options=given, timeout=(timeout, timeout))
    except (av.error.FFmpegError, OSError) as failure:
        # FFmpeg calls what it got until then invalid, or itself interrupted.
        is_late = time.monotonic() - start >= timeout
        what = f"gave no answer for {timeout:g} s" if is_late else "cannot be opened"
        raise broken(name, failure, what) from failure
    return PacketReader(container, name)


def broken(name: str, failure: Exception, what: str = "broke off") -> ImageError:
    """Return the error for what FFmpeg says; not its own words, which hold addresses whole."""
    return ImageError(f"{name} {what}", str(getattr(failure, "strerror", "") or type(failure)))


def _decoded(packet: Any, av: Any) -> list[Any]:
    try:
        return [frame for frame in packet.decode() if not frame.is_corrupt]
    except av.error.InvalidDataError:
        return []


def _pixels(frame: Any) -> ImageArray:
    return upright(frame)
