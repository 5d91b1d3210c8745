"""Stored films, opened by PyAV, which is imported here and nowhere else.

PyAV gets bytes and may open nothing: no other file, no address, no device.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from segpp.errors import ImageError, MissingError
from segpp.utils.files import check_file

__all__ = ["TICKS", "import_av", "open_film", "rate_of", "stream_of"]

TICKS = 1_000_000  # of FFmpeg's clock, a second

# Lists of further files or addresses, scripts, and text that would be drawn as a picture.
_LISTS = "concat dash hls image2 imf ffmetadata rtp rtsp sap sdp vobsub webm_dash_manifest"
_SCRIPTS = "avisynth lavfi vapoursynth"
_TEXT = "adf bin idf tty xbin"
# Single pictures are Pillow's.
_STILLS = "alias_pix brender_pix ico image2pipe txd"
_KEPT_OUT = frozenset(f"{_LISTS} {_SCRIPTS} {_TEXT} {_STILLS}".split())
_STILL = "_pipe"

# A header of a few bytes can claim gigabytes: 8192x8192 is the most.
_DECODING = {"max_pixels": str(1 << 26)}

_USUAL_RATE = 25
_MOST_RATE = 1000  # frames a second; what claims more has a damaged header


def import_av() -> Any:
    """Return PyAV.

    Raises:
        MissingError: It is not installed.
    """
    try:
        import av  # noqa: PLC0415 - only when a video is named
    except ModuleNotFoundError as failure:
        raise MissingError(
            "the package av is not installed", hint="pip install 'segpp[video]'"
        ) from failure
    return av


@contextmanager
def open_film(path: Path) -> Iterator[Any]:
    """Yield an open container that has pictures, whatever the file's ending.

    Raises:
        ImageError: It is missing, damaged, no film or without pictures; also what FFmpeg raises
            in the block.
        MissingError: The package av is not installed.
    """
    av = import_av()
    check_file(path, kind="video", error=ImageError)
    options = {"protocol_whitelist": "", "format_whitelist": _demuxers()}
    try:
        # Titles may be written in any alphabet; nobody reads them here.
        with (
            path.open("rb") as file,
            av.open(_Bytes(file), options=options, metadata_errors="replace") as container,
        ):
            if not container.streams.video:
                raise ImageError(f"{path} holds no pictures")
            if all(map(_is_cover, container.streams.video)):
                raise ImageError(f"{path} holds no pictures but the cover of its sound")
            context = stream_of(container).codec_context
            if context is None:
                raise ImageError(f"nothing here can decode the pictures of {path}")
            context.options = _DECODING
            yield container
    # OSError: the disk.
    except (av.error.FFmpegError, OSError) as failure:
        raise ImageError(
            f"the video {path} is damaged", getattr(failure, "strerror", None) or str(failure)
        ) from failure


class _Bytes:
    """A file as FFmpeg may use it: damaged ones have it look for what lies before their start.

    PyAV would print what it raises in the course.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.name, self.read, self.tell = file.name, file.read, file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere, and return where that is; a negative number if there is no such place."""
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & import_av().stream.Disposition.attached_pic)


def stream_of(container: Any) -> Any:
    """Return the stream of pictures that players show: no cover, no preview."""
    return container.streams.best("video") or container.streams.video[0]


def rate_of(stream: Any) -> Fraction:
    """Return the frames per second, as far as a stream says."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= _MOST_RATE:
            return Fraction(rate)
    return Fraction(_USUAL_RATE)


@cache
def _demuxers() -> str:
    names = (
        name
        for name in import_av().formats_available
        if name not in _KEPT_OUT and not name.endswith(_STILL)
    )
    return ",".join(sorted(names))
