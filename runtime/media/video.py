"""Videos in and out through PyAV, which is imported here and nowhere else.

Every frame that is decoded is yielded once and written once, and keeps its own time: a film of a
varying rate is as uneven afterwards as it was.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from segpp.errors import ImageError, MissingError, OutputError
from segpp.images.preprocess import ImageArray
from segpp.runtime.media.items import Frame
from segpp.utils.files import check_file
from segpp.utils.overwrite import MARK

__all__ = ["VideoInfo", "VideoWriter", "frames", "import_av", "probe", "upright"]

# A playlist under another name could make the decoder open other files or addresses.
_DEMUXERS = "avi,matroska,webm,mov,mp4,mpeg,mpegts,asf"
_SAFE = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}

# The first that the wheel was built with; every player reads both.
_ENCODERS = ("libx264", "mpeg4")
_USUAL_RATE = 25.0
_TICKS = 1_000_000  # of FFmpeg's clock, a second
_RATE_DENOMINATOR = 1001  # NTSC's 29.97 frames per second are 30000/1001
# Of the films that are written, a second: 24, 25, 30 and 60 frames and NTSC's come out even, and
# MPEG-4 takes no more than 65,535.
_CLOCK = 60_000
_BITS_PER_PIXEL = 0.4  # for mpeg4, which without a bit rate turns colours to blocks

# Containers round their durations, and cut films hide a few frames.
_TOLERATED_SHARE = 0.05


@dataclass(frozen=True)
class VideoInfo:
    """What the container says; nothing is decoded for it.

    Args:
        frames: None where it does not say.
        rate: Frames per second.
        expected_frames: What its duration amounts to at that rate, 0 if it does not say.
    """

    frames: int | None
    rate: float
    expected_frames: int


def probe(path: Path) -> VideoInfo:
    """Return what a video says of itself.

    Raises:
        ImageError: It is missing, damaged or without pictures.
        MissingError: The package av is not installed.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or _USUAL_RATE)
        # The container's duration is in FFmpeg's ticks, a stream's in its own time base.
        seconds = (container.duration or 0) / _TICKS
        return VideoInfo(stream.frames or None, rate, round(seconds * rate))


def frames(path: Path) -> Iterator[Frame | ImageError]:
    """Yield the frames, upright and with their times, and an error for each that is damaged.

    FFmpeg ends quietly where a file breaks off; the last thing yielded is an error if far fewer
    frames came than the file's duration amounts to.

    Raises:
        ImageError: It cannot be opened, or not be read further.
        MissingError: The package av is not installed.
    """
    expected, read = probe(path).expected_frames, 0
    with _opened(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        for packet in container.demux(video=0):
            for image in _decoded(packet, path):
                read += 1
                yield image
    # The one is for short films, whose durations are rounded to less than a frame.
    if read < expected * (1 - _TOLERATED_SHARE) - 1:
        yield ImageError(f"{path} breaks off: {read} frames of about {expected}")


def _decoded(packet: Any, path: Path) -> Iterator[Frame | ImageError]:
    try:
        decoded = packet.decode()
    except import_av().error.FFmpegError:
        yield ImageError(f"a frame of {path} is damaged")
        return
    for frame in decoded:
        if frame.is_corrupt:
            yield ImageError(f"a frame of {path} is damaged")
        else:
            yield Frame(upright(frame), frame.time)


def upright(frame: Any) -> ImageArray:
    """Return a frame of PyAV as RGB (H, W, 3)."""
    # Phones film sideways and write the turn, counter-clockwise, into the container.
    image = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    return np.ascontiguousarray(image)


class VideoWriter(AbstractContextManager["VideoWriter"]):
    """An mp4 under construction; use it in a ``with`` block.

    Args:
        path: The file to write; any name, also a temporary one.
        rate: Frames per second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        av = import_av()
        self._av = av
        self._container = av.open(str(path), "w", format="mp4")
        self._container.metadata["comment"] = MARK
        self._rate = Fraction(rate).limit_denominator(_RATE_DENOMINATOR)
        self._stream: Any = None
        self._first = 0.0
        # In ticks of the clock; a frame lasts as long as one at the usual rate if it is the last.
        self._usual = max(1, round(_CLOCK / self._rate))
        self._last = -self._usual

    def write(self, image: ImageArray, time: float | None = None) -> None:
        """Append one RGB frame; all are written at the size of the first.

        Args:
            image: (H, W, 3).
            time: When it is to be shown, in seconds; the first one's is the film's start. None
                follows the frame before at the usual rate.
        """
        height, width = image.shape[:2]
        # Halved colour planes need even sides.
        padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._start(padded.shape[1], padded.shape[0])
            self._first = time or 0.0
        frame = self._av.VideoFrame.from_ndarray(padded, format="rgb24").reformat(
            self._stream.width, self._stream.height, "yuv420p"
        )
        frame.pts, frame.time_base = self._ticks(time), Fraction(1, _CLOCK)
        frame.duration = self._usual
        self._mux(frame)

    def _ticks(self, time: float | None) -> int:
        following = self._last + self._usual
        ticks = following if time is None else round((time - self._first) * _CLOCK)
        # Two frames of one time, or one that goes back, would be no film.
        self._last = max(ticks, self._last + 1)
        return self._last

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # The encoder holds frames back; after a failure nobody wants them.
        if kind is None and self._stream is not None:
            self._mux(None)
        self._container.close()

    def _start(self, width: int, height: int) -> Any:
        encoder = next((n for n in _ENCODERS if n in self._av.codecs_available), None)
        if encoder is None:
            raise MissingError(
                f"this av has no encoder for mp4 ({', '.join(_ENCODERS)})",
                hint="give a folder instead of an mp4: it gets the frames",
            )
        stream = self._container.add_stream(encoder, rate=self._rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, _CLOCK)
        if encoder == "libx264":
            # Frames that look ahead would make uneven films as long as their last frames' order
            # of decoding says, which is too short.
            stream.options = {"crf": "18", "preset": "veryfast", "bf": "0"}
        else:
            stream.bit_rate = int(_BITS_PER_PIXEL * width * height * self._rate)
        return stream

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except self._av.error.FFmpegError as failure:
            raise OutputError("the video cannot be written", _said(failure)) from failure


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    av = import_av()
    check_file(path, kind="video", error=ImageError)
    try:
        # An absolute path cannot be mistaken for an address.
        with av.open(str(path.resolve()), options=_SAFE) as container:
            if not container.streams.video:
                raise ImageError(f"{path} holds no pictures")
            yield container
    except av.error.FFmpegError as failure:
        raise ImageError(f"the video {path} is damaged", _said(failure)) from failure


def _said(failure: Exception) -> str:
    """Return FFmpeg's words without its number and the name of the file, which we have said."""
    return str(getattr(failure, "strerror", None) or failure)


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
