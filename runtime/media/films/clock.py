"""When each frame of a film is shown."""

from typing import Any

__all__ = ["FARTHEST", "FrameClock"]

# Ticks from one time to the next in an mp4; of a transport stream six hours.
FARTHEST = 2**31 - 1

# Their times of showing are guessed by FFmpeg, and wrong where frames are stored out of order;
# those of decoding count the frames.
_COUNTING = {"avi"}


class FrameClock:
    """Gives the frames of a film their times, also those that have none.

    A clock that goes back, or further ahead than an mp4 can tell, began anew, as in recordings that
    were put behind one another: the frame follows its predecessor at the film's rate, and those
    behind it keep their distances.

    Args:
        container: The open film.
        rate: Frames per second, for raw streams, which have pictures and nothing else.
    """

    def __init__(self, container: Any, rate: float) -> None:
        self._counts = container.format.name in _COUNTING
        self._step = 1 / rate
        self._last: float | None = None
        self._shift = 0.0

    def time(self, frame: Any) -> float:
        """Return when the next frame of PyAV is shown, in seconds."""
        ticks = (frame.dts, frame.pts) if self._counts else (frame.pts, frame.dts)
        known = next((one for one in ticks if one is not None), None)
        if known is not None and frame.time_base:
            self._last = self._onward(
                float(known * frame.time_base), float(FARTHEST * frame.time_base)
            )
        else:
            self._last = 0.0 if self._last is None else self._last + self._step
        return self._last

    def _onward(self, told: float, farthest: float) -> float:
        last = told if self._last is None else self._last
        if last <= told <= last + farthest:
            # A single wrong time shifts none of those that are right again.
            self._shift = 0.0
        elif not last <= told + self._shift <= last + farthest:
            self._shift = last + self._step - told
        return told + self._shift
