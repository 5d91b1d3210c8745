"""Whether a film was read to its end, of which FFmpeg says nothing where a file breaks off."""

from typing import Any

from segpp.runtime.media.films.container import TICKS, rate_of, stream_of

__all__ = ["Ending"]

# Those whose headers say how long they are; of others FFmpeg looks for the last time in the file.
_TELL = ("mov", "matroska", "avi", "asf", "flv", "mxf")
# Containers round their durations, and cut films hide a few frames.
_TOLERATED_SHARE = 0.05


class Ending:
    """How far the packets of a film reach, and how far they should.

    Sound and subtitles count too: what is longer than the pictures is no break.

    Args:
        container: The open film.

    Attributes:
        is_over: Whether all of it was read.
        expected: Seconds that it should have; 0 where it does not say.
    """

    def __init__(self, container: Any) -> None:
        stream = stream_of(container)
        self.is_over = False
        self._start = (container.start_time or 0) / TICKS
        self._step = float(1 / rate_of(stream))
        self.expected = _duration(container, stream)
        self._reached = self._last = self._start
        self._longest = 0.0
        self._pictures = stream.index
        # Matroska's duration does, wherever the film begins.
        self._counts_from_zero = container.format.name.startswith("matroska")

    def pass_over(self, packet: Any) -> None:
        """Take note of a packet of any stream."""
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is None or packet.stream.type not in {"video", "audio", "subtitle"}:
            return
        moment = float(ticks * packet.time_base)
        lasting = float((packet.duration or 0) * packet.time_base)
        self._reached = max(self._reached, moment + lasting)
        if packet.stream.index == self._pictures:
            self._longest = max(self._longest, moment - self._last)
            self._last = max(self._last, moment)

    @property
    def reached(self) -> float:
        """Seconds from the film's beginning to the end of its last packet."""
        return self._reached - (0.0 if self._counts_from_zero else self._start)

    @property
    def is_early(self) -> bool:
        """Whether far less came than was told."""
        # A last picture may stay as long as any other, and not every container says how long.
        slack = max(self._step, self._longest)
        return self.reached < self.expected * (1 - _TOLERATED_SHARE) - slack


def _duration(container: Any, stream: Any) -> float:
    """Return how many seconds a film says it has; 0 if it does not say."""
    if not container.format.name.startswith(_TELL):
        return 0.0
    told = [
        float(one.duration * one.time_base)
        for one in container.streams
        if one.duration and one.type in {"video", "audio"}
    ]
    if stream.duration:
        return max(told)
    # The container's is in FFmpeg's ticks, a stream's in its own time base.
    return (container.duration or 0) / TICKS
