"""When each frame of a film is shown."""

from typing import Any

__all__ = ["FrameClock"]

# Their times of showing are guessed by FFmpeg, and wrong where frames are stored out of order;
# those of decoding count the frames.
_COUNTING = {"avi"}


class FrameClock:
    """Gives the frames of a film their times, also those that have none.

    Args:
        container: The open film.
        rate: Frames per second, for raw streams, which have pictures and nothing else.
    """

    def __init__(self, container: Any, rate: float) -> None:
        self._counts = container.format.name in _COUNTING
        self._step = 1 / rate
        self._last: float | None = None

    def time(self, frame: Any) -> float:
        """Return when the next frame of PyAV is shown, in seconds."""
        ticks = (frame.dts, frame.pts) if self._counts else (frame.pts, frame.dts)
        known = next((one for one in ticks if one is not None), None)
        if known is not None and frame.time_base:
            self._last = float(known * frame.time_base)
        else:
            self._last = 0.0 if self._last is None else self._last + self._step
        return self._last
