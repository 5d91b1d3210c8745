"""What became of the frames of a camera or a stream."""

import time
from collections import deque
from dataclasses import dataclass, field

from segpp.runtime.benchmark.statistics import percentile

__all__ = ["LiveAccount"]

# Of so many last frames latencies are kept: minutes, in kilobytes.
_KEPT = 4096
# Over so many last frames the present rate is taken.
_RECENT = 30


@dataclass
class LiveAccount:
    """Counts that the reading thread and the loop keep, each its own; read by anybody.

    Args:
        seen: Frames that came since the start, and were not passed over on purpose.
        dropped: Those of them that a newer one replaced before the network was free.
        done: Those that have a mask.
        breaks: How often the source broke off and was opened again.
        ended: Whether it has ended.
    """

    seen: int = 0
    dropped: int = 0
    done: int = 0
    breaks: int = 0
    ended: bool = False
    _latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _moments: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _start: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Start to count: what came before the network was loaded is of no interest."""
        self.seen = self.dropped = self.done = 0
        self._start = time.monotonic()

    def add(self, latency_ms: float) -> None:
        """Count a frame that has its mask, so many milliseconds after it came."""
        self.done += 1
        self._latencies.append(latency_ms)
        self._moments.append(time.monotonic())

    @property
    def seconds(self) -> float:
        """How long it has been counting."""
        return time.monotonic() - self._start

    @property
    def rate(self) -> float:
        """Masks per second at present, over the last 30; 0 before the second one."""
        moments = tuple(self._moments)
        # A source that stalls is not as fast as it was.
        spent = time.monotonic() - moments[0] if len(moments) > 1 else 0.0
        return (len(moments) - 1) / spent if spent else 0.0

    def latency(self, percent: float) -> float:
        """Return a percentile of the milliseconds from a frame to its mask, of the last 4,096."""
        kept = tuple(self._latencies)
        return percentile(kept, percent) if kept else 0.0
