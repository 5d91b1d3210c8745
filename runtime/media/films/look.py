"""What a film that is written takes over from the one that was read, besides pictures."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from segpp.runtime.media.films.container import import_av, open_film, stream_of
from segpp.runtime.media.films.turn import is_sideways, matrix_of

__all__ = ["PLAIN", "Colors", "FilmLook", "look_of"]

# FFmpeg's numbers, which are those of ITU-T H.273: of BT.709, and of what is not said.
_BT709, _UNSAID = 1, 2
_NARROW, _FULL = 1, 2
# A matrix -> FFmpeg's way to compute it. Of others, RGB's and the unsaid, pictures become BT.709.
_COMPUTED = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
# So many packets are tried for a first picture.
_TRIED = 100


@dataclass(frozen=True)
class Colors:
    """How the numbers of a film's pixels stand for colors, as ITU-T H.273 numbers it.

    Args:
        matrix: From RGB to brightness and two differences.
        range: 1 for 16 to 235, 2 for 0 to 255.
        primaries: What red, green and blue are.
        transfer: From light to numbers.
    """

    matrix: int = _BT709
    range: int = _NARROW
    primaries: int = _BT709
    transfer: int = _BT709

    @property
    def computed(self) -> int:
        """FFmpeg's number for the way to compute them from RGB."""
        return _COMPUTED[self.matrix]


@dataclass(frozen=True)
class FilmLook:
    """What players need to show a film as it was filmed.

    Args:
        clock: The unit of its times, in seconds; None where it has none.
        aspect: Width by height of a pixel.
        colors: How its pixels stand for colors.
    """

    clock: Fraction | None = None
    aspect: Fraction = Fraction(1)
    colors: Colors = Colors()


PLAIN = FilmLook()


def look_of(path: Path) -> FilmLook:
    """Return the look of a film, once its first picture is upright.

    Raises:
        ImageError: It cannot be read.
        MissingError: The package av is not installed.
    """
    with open_film(path) as container:
        stream = stream_of(container)
        frame = _first(container, stream)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        if frame is not None and is_sideways(matrix_of(frame)):
            aspect = 1 / aspect
        return FilmLook(Fraction(stream.time_base), aspect, _colors(stream, frame))


def _first(container: Any, stream: Any) -> Any:
    failure = import_av().error.FFmpegError
    for packet in islice(container.demux(stream), _TRIED):
        try:
            for frame in packet.decode():
                return frame
        except failure:  # noqa: PERF203 - a damaged packet may be followed by a good one
            continue
    return None


def _colors(stream: Any, frame: Any) -> Colors:
    told = stream.codec_context if frame is None else frame
    full = _FULL if int(told.color_range) == _FULL else _NARROW
    if int(told.colorspace) not in _COMPUTED:
        return Colors(range=full)
    return Colors(int(told.colorspace), full, int(told.color_primaries), int(told.color_trc))
