"""The sound of a film, copied packet by packet beside its new pictures."""

import io
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from segpp.errors import ImageError, PictureWarning
from segpp.runtime.media.films.clock import FARTHEST
from segpp.runtime.media.films.container import import_av, open_film

__all__ = ["Sound", "sound_problem"]

_FORMAT = "mp4"
# What decoders want to have heard before the first sound that counts, in seconds; of Opus 0.08.
_LEAD_IN = 0.1


def sound_problem(path: Path) -> str | None:
    """Return why a film's sound cannot be copied into an mp4, a sentence; None if it can.

    Also None where there is no sound.

    Raises:
        ImageError: The film cannot be read.
        MissingError: The package av is not installed.
    """
    with open_film(path) as container:
        stream = container.streams.best("audio")
        if stream is None or _is_taken(path, stream.index):
            return None
        return f"the sound of {path} ({_codec(stream)}) is dropped: mp4 does not take it"


class Sound:
    """The first sound of a film, on its way into another.

    Args:
        path: The film that has it.
        output: PyAV's container that gets it, before anything was written there.
        stack: Closes the film.
    """

    def __init__(self, path: Path, output: Any, stack: ExitStack) -> None:
        self._path, self._output = path, output
        self._error = import_av().error
        self._is_whole = True
        container = stack.enter_context(open_film(path))
        source = container.streams.best("audio")
        self._packets: Iterator[Any] = iter(())
        if source is not None and _is_taken(path, source.index):
            self._stream = output.add_stream_from_template(source)
            self._packets = self._all(container, source)
        self._next: Any = None
        self._first = 0.0

    def begin(self, first: float) -> None:
        """Begin with the picture that was shown at ``first`` seconds, now the film's start."""
        self._first = first
        while (packet := self._peek()) and _end(packet) <= first - _LEAD_IN:
            self._next = None

    def copy(self, until: float | None = None) -> None:
        """Copy what is heard before a moment of the old film; None for the rest."""
        while (packet := self._peek()) and (until is None or _start(packet) < until):
            self._next = None
            self._put(packet)

    def _put(self, packet: Any) -> None:
        shift = round(self._first / packet.time_base)
        if packet.pts is not None:
            packet.pts -= shift
        packet.dts -= shift
        packet.stream = self._stream
        try:
            self._output.mux(packet)
        except self._error.InvalidDataError:
            # Where a packet is repacked for mp4 it is looked into. The pictures are well.
            if self._is_whole:
                told = f"the sound of {self._path} is damaged, and gone in places"
                warnings.warn(told, PictureWarning, stacklevel=2)
            self._is_whole = False

    def _peek(self) -> Any:
        if self._next is None:
            self._next = next(self._packets, None)
        return self._next

    def _all(self, container: Any, source: Any) -> Iterator[Any]:
        try:
            yield from _onward(_full(container, source))
        except self._error.FFmpegError:
            # What is damaged is told of the pictures.
            return


def _full(container: Any, source: Any) -> Iterator[Any]:
    # The last one is empty, and ends a decoder.
    return (p for p in container.demux(source) if p.dts is not None and p.size)


def _onward(packets: Iterator[Any]) -> Iterator[Any]:
    """Have packets follow their predecessors where the clock begins anew, as pictures do."""
    shift, end, last = 0, 0, None
    for packet in packets:
        if last is not None and not last < packet.dts + shift <= last + FARTHEST:
            shift = max(end, last + 1) - packet.dts
        if packet.pts is not None:
            packet.pts += shift
        packet.dts += shift
        last, end = packet.dts, packet.dts + (packet.duration or 0)
        yield packet


def _start(packet: Any) -> float:
    ticks = packet.dts if packet.pts is None else packet.pts
    return float(ticks * packet.time_base)


def _end(packet: Any) -> float:
    return _start(packet) + float((packet.duration or 0) * packet.time_base)


def _codec(stream: Any) -> str:
    codec = stream.codec_context.codec
    return str(getattr(codec, "canonical_name", codec.name))


def _is_taken(path: Path, index: int) -> bool:
    """Return whether an mp4 takes this sound: tried, for no list is complete.

    With a packet of it, without which nothing is written of a sound.
    """
    av = import_av()
    try:
        with open_film(path) as container, av.open(io.BytesIO(), "w", format=_FORMAT) as trial:
            source = container.streams[index]
            stream = trial.add_stream_from_template(source)
            for packet in islice(_full(container, source), 1):
                packet.stream = stream
                trial.mux(packet)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError, ImageError):
        return False
    return True
