"""An mp4 under construction, by PyAV."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from segpp.errors import MissingError, OutputError
from segpp.images.preprocess import ImageArray
from segpp.runtime.media.films.clock import FARTHEST
from segpp.runtime.media.films.container import import_av
from segpp.runtime.media.films.look import PLAIN, FilmLook
from segpp.runtime.media.films.sound import Sound
from segpp.utils.files import hint_of
from segpp.utils.overwrite import MARK

__all__ = ["VideoWriter"]

# The first that the wheel was built with; every player reads both.
_ENCODERS = ("libx264", "mpeg4")
_RATE_DENOMINATOR = 1001  # NTSC's 29.97 frames per second are 30000/1001
# Of the films that are written, a second: 24, 25, 30 and 60 frames and NTSC's come out even, and
# MPEG-4 takes no more than 65,535.
_CLOCK = 60_000
# Of a film whose own clock is finer a second: an mp4's frame would last too short a time at most.
_FINEST = 1_000_000
_COARSEST = 10_000
_BITS_PER_PIXEL = 0.4  # for mpeg4, which without a bit rate turns colours to blocks


class VideoWriter(AbstractContextManager["VideoWriter"]):
    """An mp4 under construction; use it in a ``with`` block.

    Args:
        path: The file to write; any name, also a temporary one.
        rate: Frames per second.
        look: Shape and colors of its pixels, and the unit of its times.
        sound: A film whose sound is copied, by whose times frames are written.
        whole: Copy the sound to its end, and not just to the last frame's.
    """

    def __init__(
        self,
        path: Path,
        rate: float,
        look: FilmLook = PLAIN,
        *,
        sound: Path | None = None,
        whole: bool = True,
    ) -> None:
        av = import_av()
        self._av, self._look, self._whole = av, look, whole
        self._container = av.open(str(path), "w", format="mp4")
        self._container.metadata["comment"] = MARK
        self._rate = Fraction(rate).limit_denominator(_RATE_DENOMINATOR)
        self._stream: Any = None
        # In ticks of the film's clock, from its first frame on.
        self._tick, self._first, self._usual, self._last = Fraction(1, _CLOCK), 0.0, 1, -1
        # How long the last frame is shown.
        self._stay = 1
        self._heard, self._stack = sound, ExitStack()
        self._sound: Sound | None = None

    def write(
        self, image: ImageArray, time: float | None = None, lasting: float | None = None
    ) -> None:
        """Append one RGB frame; one of another size than the first is shown whole, within bars.

        Args:
            image: (H, W, 3).
            time: When it is to be shown, in seconds; the first one's is the film's start. None
                follows the frame before at the usual rate.
            lasting: For how long, in seconds, if no other follows; None for as long as is usual.
        """
        height, width = image.shape[:2]
        # Halved colour planes need even sides.
        padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._begin(padded.shape[1], padded.shape[0], time or 0.0)
        frame = self._av.VideoFrame.from_ndarray(self._sized(padded), format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=self._look.colors.computed,
            dst_color_range=self._look.colors.range,
        )
        frame.pts, frame.time_base = self._ticks(time), self._tick
        stay = self._usual if lasting is None else round(lasting / self._tick)
        self._stay = max(1, min(stay, FARTHEST))
        frame.duration = self._stay
        self._mux(frame)
        self._copy_sound(float(self._last * self._tick))

    def _sized(self, image: ImageArray) -> ImageArray:
        height, width = self._stream.height, self._stream.width
        if image.shape[:2] == (height, width):
            return image
        scale = min(height / image.shape[0], width / image.shape[1])
        rows, columns = (max(1, round(side * scale)) for side in image.shape[:2])
        small = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        top, left = (height - rows) // 2, (width - columns) // 2
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[top : top + rows, left : left + columns] = small.to_ndarray(
            width=columns, height=rows, format="rgb24"
        )
        return canvas

    def _ticks(self, time: float | None) -> int:
        following = self._last + self._usual
        ticks = following if time is None else round((time - self._first) / self._tick)
        # Two frames of one time, or one that goes back, would be no film.
        self._last = max(ticks, self._last + 1)
        return self._last

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # The encoder holds frames back; after a failure nobody wants them.
        with self._stack:
            if kind is None and self._stream is not None:
                self._mux(None)
                end = float((self._last + self._stay) * self._tick)
                self._copy_sound(None if self._whole else end)
            self._close(failed=kind is not None)

    def _close(self, *, failed: bool) -> None:
        # After a failure its file goes anyhow, and the first failure is the one to tell.
        with suppress(self._av.error.FFmpegError) if failed else self._told():
            self._container.close()

    def _begin(self, width: int, height: int, first: float) -> None:
        encoder = next((n for n in _ENCODERS if n in self._av.codecs_available), None)
        if encoder is None:
            raise MissingError(
                f"this av has no encoder for mp4 ({', '.join(_ENCODERS)})",
                hint="give a folder instead of an mp4: it gets the frames",
            )
        self._tick = self._clock(encoder)
        self._stream = self._start(encoder, width, height)
        self._first = first
        self._usual = max(1, round(1 / self._rate / self._tick))
        self._last = -self._usual
        if self._heard:
            self._sound = Sound(self._heard, self._container, self._stack)
            self._sound.begin(first)

    def _start(self, encoder: str, width: int, height: int) -> Any:
        stream = self._container.add_stream(encoder, rate=self._rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context, colors = stream.codec_context, self._look.colors
        context.time_base = stream.time_base = self._tick
        # Else each packet lasts as long as is usual, whatever its frame says.
        context.flags |= self._av.codec.context.Flags.frame_duration
        context.sample_aspect_ratio = self._look.aspect
        context.colorspace, context.color_range = colors.matrix, colors.range
        context.color_primaries, context.color_trc = colors.primaries, colors.transfer
        if encoder == "libx264":
            # Frames that look ahead would make uneven films as long as their last frames' order
            # of decoding says, which is too short.
            stream.options = {"crf": "18", "preset": "veryfast", "bf": "0"}
        else:
            stream.bit_rate = int(_BITS_PER_PIXEL * width * height * self._rate)
        return stream

    def _clock(self, encoder: str) -> Fraction:
        """Return the unit of the times that are written, in seconds."""
        if encoder != "libx264":
            return Fraction(1, _CLOCK)
        if self._look.clock is not None:
            # Every time of the old film is one of the new one.
            return max(self._look.clock, Fraction(1, _FINEST))
        if (_CLOCK / self._rate).denominator == 1:
            return Fraction(1, _CLOCK)
        ticks = self._rate.numerator
        return Fraction(1, ticks * ceil(_COARSEST / ticks))

    def _copy_sound(self, until: float | None) -> None:
        if self._sound is not None:
            with self._told():
                self._sound.copy(None if until is None else self._first + until)

    def _mux(self, frame: Any) -> None:
        with self._told():
            for packet in self._stream.encode(frame):
                self._container.mux(packet)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._av.error.FFmpegError as failure:
            raise OutputError(
                "the video cannot be written",
                getattr(failure, "strerror", None) or str(failure),
                hint=hint_of(failure),
            ) from failure
