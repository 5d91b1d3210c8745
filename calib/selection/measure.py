"""What calibration asks of the world outside: how good a file's masks are, and how fast it is.

Runs of whole files belong to ``segpp.runtime``, which ``segpp.calib`` does not import; whoever
calls ``segpp.calib.pipeline.calibrate`` (``segpp.api``) hands these in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.proof import Masks

__all__ = ["Compare", "Comparison", "Measures", "Time"]

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """How the masks of a file compare with those of the float file, picture by picture.

    Attributes:
        agreement: Share of the pixels with the same class, (P,).
        reference: Confusion matrices of the float file, (P, K, K), rows are labels; None without
            labels.
        model: The same of the other file.
        ignored: Labels that are in no matrix; a class among them has no IoU.
    """

    agreement: NDArray[np.float64]
    reference: Counts | None = None
    model: Counts | None = None
    ignored: frozenset[int] = frozenset()


# A file with its manifest beside it, and pictures: its masks and those of the float file.
Compare = Callable[[Path, Sequence[Picture]], Comparison]

# Files -> seconds a call of each, measured in turn; the smallest of several.
Time = Callable[[Sequence[Path]], Sequence[float]]


@dataclass(frozen=True)
class Measures:
    """What is measured on whole files.

    Attributes:
        compare: Masks of a file with those of the float file.
        time: Calls of files on the dialect's engine; None where that does not run here.
        engine: What that is, in words.
        masks: Masks of a file; None leaves INT8 files without a certificate.
    """

    compare: Compare
    time: Time | None = None
    engine: str = ""
    masks: Masks | None = None
