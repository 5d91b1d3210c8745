"""Three sets of pictures that never mix: to calibrate on, to choose by, to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass

from segpp.calib.pictures.find import FEW, Picture

__all__ = ["PictureSets", "split", "spread"]

# Every fifth picture is held back to judge by; of the others every fifth is there to choose by.
_EVERY = 5


@dataclass(frozen=True)
class PictureSets:
    """Pictures by what they are for.

    Attributes:
        calibration: Ranges are of these.
        selection: Blocks are chosen by these, where there is a budget. They are kept apart without
            one too, so that ranges serve with and without.
        report: The file is judged by these.
    """

    calibration: tuple[Picture, ...]
    selection: tuple[Picture, ...]
    report: tuple[Picture, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the numbers of pictures leave open."""
        if len(self.calibration) >= FEW:
            return ()
        held = f"{len(self.calibration)} pictures to calibrate on, {len(self.report)} to judge by"
        return (f"{held}: few; from {FEW} on the numbers are dependable",)


def spread(pictures: Sequence[Picture], most: int) -> tuple[Picture, ...]:
    """Return at most so many pictures, from everywhere: the first are often one scene."""
    count = min(most, len(pictures))
    return tuple(pictures[i * len(pictures) // count] for i in range(count))


def split(pictures: Sequence[Picture]) -> PictureSets:
    """Return the sets of some pictures, the same for the same pictures.

    Neighbours by name are often neighbours in time, so each set takes them from everywhere.
    """
    report = tuple(pictures[_EVERY - 1 :: _EVERY])
    others = [p for i, p in enumerate(pictures, start=1) if i % _EVERY]
    selection = tuple(others[_EVERY - 1 :: _EVERY])
    kept = tuple(p for i, p in enumerate(others, start=1) if i % _EVERY)
    return PictureSets(kept, selection, report)
