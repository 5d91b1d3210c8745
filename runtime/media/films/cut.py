"""The part of a film that is wanted: from when, for how long, every how manieth frame."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import TypeVar

__all__ = ["WHOLE", "Cut"]

T = TypeVar("T")

# Half a microsecond: times are sums of fractions, and a frame at the very start is wanted.
_SLACK = 5e-7


@dataclass(frozen=True)
class Cut:
    """Which frames of a film are wanted.

    Args:
        start: Seconds after the film's beginning.
        duration: Seconds from there on; None for all.
        every: The first, and then each so-manieth.
        frames: So many at most.
    """

    start: float = 0.0
    duration: float | None = None
    every: int = 1
    frames: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all frames are wanted."""
        return self == WHOLE

    @property
    def ends(self) -> bool:
        """Whether it may end before the film does."""
        return self.duration is not None or self.frames is not None

    def pick(
        self,
        entries: Iterable[T],
        time_of: Callable[[T], float | None],
        origin: float | None = None,
    ) -> Iterator[T]:
        """Yield the entries that are wanted, of a series in the order of time.

        Args:
            entries: Frames, and what stands for those that are damaged.
            time_of: When an entry is shown, in seconds; None for one that does not know.
            origin: When the film begins; None for its first frame's time.
        """
        number = given = 0
        # Before the start what has no time is before it too.
        has_begun = self.start == 0.0
        for entry in entries:
            moment = time_of(entry)
            if moment is not None:
                origin = moment if origin is None else origin
                has_begun = has_begun or moment >= origin + self.start - _SLACK
            if not has_begun:
                continue
            if moment is not None and moment >= self._end(origin or 0.0):
                return
            if number % self.every == 0:
                given += 1
                yield entry
                if given == self.frames:
                    return
            number += 1

    def _end(self, origin: float) -> float:
        return inf if self.duration is None else origin + self.start + self.duration - _SLACK


WHOLE = Cut()
