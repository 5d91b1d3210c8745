"""Videos in, and out through ``films.film_writer``; both by PyAV.

Every frame that is decoded is yielded once and written once, and keeps its own time: a film of a
varying rate is as uneven afterwards as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpp.errors import ImageError
from segpp.runtime.media.films.clock import FrameClock
from segpp.runtime.media.films.container import import_av, open_film, rate_of, stream_of
from segpp.runtime.media.films.cut import WHOLE, Cut
from segpp.runtime.media.films.ending import Ending
from segpp.runtime.media.films.film_writer import VideoWriter
from segpp.runtime.media.films.turn import Matrix, matrix_of, upright
from segpp.runtime.media.items import Frame

__all__ = ["VideoInfo", "VideoWriter", "frames", "import_av", "probe", "upright"]

# Containers that keep the times of their frames, which others count from where they are read.
_SOUGHT = ("mov,", "matroska,", "avi", "asf", "flv", "mxf", "mpegts", "nut", "ogg", "rm")

# A frame of PyAV with its time; without both for a packet that cannot be decoded.
_Decoded = tuple[Any, float | None]


@dataclass(frozen=True)
class VideoInfo:
    """What the container says; nothing is decoded for it.

    Args:
        frames: None where it does not say.
        rate: Frames per second.
    """

    frames: int | None
    rate: float


def probe(path: Path) -> VideoInfo:
    """Return what a video says of itself.

    Raises:
        ImageError: It is missing, damaged or without pictures.
        MissingError: The package av is not installed.
    """
    with open_film(path) as container:
        stream = stream_of(container)
        return VideoInfo(stream.frames or None, float(rate_of(stream)))


def frames(path: Path, cut: Cut = WHOLE) -> Iterator[Frame | ImageError]:
    """Yield the frames, upright and with their times, and an error for damaged ones in a row.

    FFmpeg ends quietly where a file breaks off; the last thing yielded is an error if far less
    came than the file says it has.

    Args:
        cut: The part that is wanted; of the rest no pixels are made.

    Raises:
        ImageError: It cannot be opened, or not be read further.
        MissingError: The package av is not installed.
    """
    given = lost = 0
    matrix: Matrix | None = None
    is_sought = cut.start > 0 and _can_seek(path, cut)
    with open_film(path) as container:
        ending = Ending(container)
        if is_sought:
            _seek(container, cut)
        decoded = _decoded(container, ending)
        for frame, time in cut.pick(decoded, _time_of, _origin(container)):
            if frame is None:
                lost += 1
                continue
            if lost:
                yield _damaged(path, lost)
            given, lost = given + 1, 0
            matrix = matrix or matrix_of(frame)
            yield Frame(upright(frame, matrix), time, None if cut.ends else _lasting(frame))
    if ending.is_over and ending.is_early:
        yield ImageError(
            f"{path} breaks off after {ending.reached:.2f} s of about {ending.expected:.2f} s"
        )
    elif lost:
        yield _damaged(path, lost) if given else _hopeless(path, lost)
    elif cut.start and not given:
        yield ImageError(f"{path} ends before {cut.start:g} s", hint="start earlier")


def _decoded(container: Any, ending: Ending) -> Iterator[_Decoded]:
    failure = import_av().error.FFmpegError
    stream = stream_of(container)
    stream.thread_type = "AUTO"
    clock = FrameClock(container, float(rate_of(stream)))
    for packet in container.demux():
        ending.pass_over(packet)
        if packet.stream.index != stream.index:
            continue
        try:
            for frame in packet.decode():
                time = clock.time(frame)
                yield None if frame.is_corrupt else frame, time
        except failure:
            yield None, None
    ending.is_over = True


def _lasting(frame: Any) -> float | None:
    return float(frame.duration * frame.time_base) if frame.duration else None


def _time_of(one: _Decoded) -> float | None:
    return one[1]


def _origin(container: Any) -> float | None:
    """Return when a film begins by its own clock, in seconds: a recording may begin anywhere.

    None where only its first frame tells.
    """
    stream = stream_of(container)
    return None if stream.start_time is None else float(stream.start_time * stream.time_base)


def _seek(container: Any, cut: Cut) -> None:
    stream = stream_of(container)
    ticks = int(((_origin(container) or 0.0) + cut.start) / stream.time_base)
    container.seek(ticks, stream=stream)


def _can_seek(path: Path, cut: Cut) -> bool:
    """Return whether a film can be read from shortly before the start on.

    Raw streams have no times, damaged files no index, and some are sought too far.
    """
    try:
        with open_film(path) as container:
            origin = _origin(container)
            if origin is None or not container.format.name.startswith(_SOUGHT):
                return False
            _seek(container, cut)
            found = next((time for _, time in _decoded(container, Ending(container))), None)
            return found is not None and found <= origin + cut.start
    except ImageError:
        return False


def _damaged(path: Path, lost: int) -> ImageError:
    return ImageError(
        f"a frame of {path} is damaged" if lost == 1 else f"{lost} frames of {path} are damaged"
    )


def _hopeless(path: Path, lost: int) -> ImageError:
    what = "the only frame" if lost == 1 else f"none of the {lost} frames"
    can = "cannot" if lost == 1 else "can"
    return ImageError(f"{what} of {path} {can} be decoded")
