"""Which pictures are held back: runs of neighbours, from everywhere.

Frames of a film resemble their neighbours. Every n-th frame held back would be one that the student
has all but seen; a run of frames in a row has only its two ends beside what is learned from, and
those are left out of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Split", "split"]

T = TypeVar("T")

_LEAST_HELD = 2
# More take time at every check and tell hardly more.
_MOST_HELD = 200
# Pictures of a run; a folder has as many runs as that gives, up to the most.
_RUN = 8
_MOST_RUNS = 8
# From so many pictures on, the neighbours of a run are in neither part.
_ENOUGH_FOR_GAPS = 50


@dataclass(frozen=True)
class Split(Generic[T]):
    """Two parts of some pictures that share no neighbours.

    Attributes:
        learned: To learn from.
        held: To choose by.
        beside: How many are in neither, as neighbours of those held back.
    """

    learned: tuple[T, ...]
    held: tuple[T, ...]
    beside: int = 0


def split(pictures: Sequence[T], share: float) -> Split[T]:
    """Return both parts, the same for the same pictures.

    Args:
        pictures: In the order of a film.
        share: Of them to hold back.
    """
    count = len(pictures)
    wanted = min(max(round(share * count), _LEAST_HELD), _MOST_HELD, count - 1)
    runs = min(max(wanted // _RUN, 1), _MOST_RUNS)
    held: set[int] = set()
    beside: set[int] = set()
    for run in range(runs):
        length = wanted * (run + 1) // runs - wanted * run // runs
        # In the middle of the run's own stretch of the folder.
        start = (count * (2 * run + 1) // runs - length) // 2
        held.update(range(start, start + length))
        beside.update((start - 1, start + length))
    left_out = beside if count >= _ENOUGH_FOR_GAPS else set()
    learned = tuple(p for i, p in enumerate(pictures) if i not in held and i not in left_out)
    beside_both = count - len(learned) - len(held)
    return Split(learned, tuple(pictures[i] for i in sorted(held)), beside_both)
