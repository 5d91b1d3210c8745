"""Films of every kind, made by PyAV."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

av: Any = pytest.importorskip("av", reason="PyAV (segpp[video]) makes and reads films")

SIZE = (48, 64)
SOUND_RATE = 16_000
_SAMPLES = 1024
# What fits every container that takes no H.264.
_PIXELS = {"mjpeg": "yuvj420p", "gif": "rgb8", "apng": "rgb24", "prores": "yuv422p10le"}


@dataclass(frozen=True)
class Film:
    """A film to be made.

    Args:
        codec: FFmpeg's encoder.
        kind: FFmpeg's container; None for that of the file's ending.
        times: Of its frames, in seconds.
        tick: The unit of the times.
        size: Height and width.
        aspect: Width by height of a pixel.
        colors: Matrix, range, primaries and transfer as H.273 numbers them; None to say nothing.
        sound: The encoder of a tone beside the pictures.
        seconds: How long the tone is.
    """

    codec: str = "libx264"
    kind: str | None = None
    times: Sequence[float] = tuple(number / 25 for number in range(12))
    tick: Fraction = Fraction(1, 25)
    size: tuple[int, int] = SIZE
    aspect: Fraction | None = None
    colors: tuple[int, int, int, int] | None = None
    sound: str | None = None
    seconds: float = 1.0


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return a picture whose thirds are red, green and blue, with a bar that wanders."""
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    for third in range(3):
        image[:, third * width // 3 : (third + 1) * width // 3, third] = 255
    image[:4, number % width : number % width + 4] = 255
    return image


def make(path: Path, film: Film = Film()) -> Path:
    """Write a film and return its path."""
    with av.open(str(path), "w", format=film.kind) as container:
        stream = _stream(container, film)
        sound = container.add_stream(film.sound, rate=SOUND_RATE) if film.sound else None
        for number, time in enumerate(film.times):
            frame = av.VideoFrame.from_ndarray(picture(number, film.size), format="rgb24")
            # The first number is FFmpeg's way to compute a matrix, where it is that of H.273.
            matrix, full = film.colors[:2] if film.colors else (None, None)
            frame = frame.reformat(
                format=stream.pix_fmt, dst_colorspace=matrix, dst_color_range=full
            )
            frame.pts, frame.time_base = round(time / film.tick), film.tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_tone(container, sound, film.seconds)
    return path


def make_song(path: Path) -> Path:
    """Write a second of sound with a cover and return its path."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=SOUND_RATE)
        cover = _stream(container, Film(codec="mjpeg"))
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(picture(0), format="rgb24").reformat(format="yuvj420p")
        frame.pts = 0
        container.mux(cover.encode(frame))
        container.mux(cover.encode(None))
        _write_tone(container, sound, 1.0)
    return path


def _stream(container: Any, film: Film) -> Any:
    stream = container.add_stream(film.codec, rate=25)
    stream.height, stream.width = film.size
    stream.pix_fmt = _PIXELS.get(film.codec, "yuv420p")
    if film.tick != Fraction(1, 25):
        stream.codec_context.time_base = stream.time_base = film.tick
    if film.codec == "libx264":
        stream.options = {"crf": "10", "preset": "ultrafast", "bf": "0", "g": "6"}
    if film.aspect:
        stream.codec_context.sample_aspect_ratio = film.aspect
    if film.colors:
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = (
            film.colors
        )
    return stream


def _write_tone(container: Any, stream: Any, seconds: float) -> None:
    kind = stream.codec_context.format.name
    for start in range(0, round(seconds * SOUND_RATE), _SAMPLES):
        frame = av.AudioFrame(format=kind, layout=stream.layout.name, samples=_SAMPLES)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts = SOUND_RATE, start
        frame.time_base = Fraction(1, SOUND_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@dataclass(frozen=True)
class Seen:
    """What is in a film, as PyAV tells it."""

    times: list[float]
    size: tuple[int, int]
    aspect: Fraction | None
    colors: tuple[int, int, int, int]
    first: np.ndarray
    sounds: list[bytes]
    sound_times: list[float]


def look_at(path: Path) -> Seen:
    """Return what is in a film."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        # Nothing of a container may be asked for once it is closed.
        aspect, told = stream.sample_aspect_ratio, stream.codec_context
        colors = (told.colorspace, told.color_range, told.color_primaries, told.color_trc)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux() if p.stream.type == "audio" and p.size]
        sounds, when = [bytes(p) for p in packets], [float(p.pts * p.time_base) for p in packets]
    first = frames[0]
    return Seen(
        [frame.time for frame in frames],
        (first.height, first.width),
        aspect,
        colors,
        first.to_ndarray(format="rgb24"),
        sounds,
        when,
    )


def turn(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Have an mp4 be shown turned: x' = ax + cy, y' = bx + dy.

    The matrix stands in the track header, 40 bytes after its name (ISO 14496-12, 8.3.2), in 16.16
    fixed point: a b (u) c d (v).
    """
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    for value, offset in zip(matrix, (0, 4, 12, 16), strict=True):
        content[at + offset : at + offset + 4] = (value << 16).to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    return path


# An ending, and what is written there; those without a kind are FFmpeg's choice for the ending.
CONTAINERS: dict[str, Film] = {
    "3gp": Film(),
    "apng": Film(codec="apng"),
    "avi": Film(codec="mpeg4"),
    "dv": Film(codec="dvvideo", size=(576, 720)),
    "f4v": Film(),
    "flv": Film(),
    "gif": Film(codec="gif"),
    "h264": Film(),
    "hevc": Film(codec="libx265"),
    "ivf": Film(codec="libvpx"),
    "m2ts": Film(),
    "m2v": Film(codec="mpeg2video"),
    "m4v": Film(codec="mpeg4"),
    "mjpeg": Film(codec="mjpeg"),
    "mkv": Film(),
    "mov": Film(codec="prores"),
    "mp4": Film(),
    "mpg": Film(codec="mpeg1video", kind="mpeg"),
    "mts": Film(kind="mpegts"),
    "mxf": Film(codec="mpeg2video"),
    "nut": Film(),
    "rm": Film(codec="rv20", size=(144, 176)),
    "ts": Film(),
    "vob": Film(codec="mpeg2video"),
    "webm": Film(codec="libvpx-vp9"),
    "wmv": Film(codec="wmv2"),
    "y4m": Film(codec="rawvideo"),
}
