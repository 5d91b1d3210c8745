"""How much of a mask must be the reference's, for a file to be what it was.

A file gave the reference's class to a share of the pixels where it was written. Elsewhere another
library and another processor round otherwise, so it may give it to a little fewer:

    fp32   0.001   near-ties between tokens and classes fall otherwise
    fp16   0.01    11 significant bits
    bf16   0.02    8 significant bits
    int8   0.03    kernels of other processors add in another order, and saturate elsewhere
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.certificate.labels import Expected

__all__ = ["SLACK", "ClassAgreement", "agreement_of", "by_class", "min_agreement_of"]

SLACK = {"fp32": 0.001, "fp16": 0.01, "bf16": 0.02, "int8": 0.03}


@dataclass(frozen=True)
class ClassAgreement:
    """What became of the pixels that the reference gives one class.

    Attributes:
        number: Of the class.
        expected: How many there are.
        agreeing: How many of them are that class in the mask.
        taken_for: The class that most of the others are.
    """

    number: int
    expected: int
    agreeing: int
    taken_for: int | None


def agreement_of(mask: NDArray[Any], expected: Expected) -> float:
    """Return the share of the pixels that count which have the reference's class."""
    counted = ~expected.ties
    same = mask[counted] == expected.labels[counted]
    # Where all are ties nothing can differ.
    return float(same.mean()) if same.size else 1.0


def min_agreement_of(agreement: float, precision: str) -> float:
    """Return what must be reached elsewhere, of what was reached where a file was written."""
    return max(0.0, round(agreement - SLACK[precision], 6))


def by_class(mask: NDArray[Any], expected: Expected) -> tuple[ClassAgreement, ...]:
    """Return what became of every class that the reference finds, the worst first."""
    counted = ~expected.ties
    truth, found = expected.labels[counted], mask[counted]
    classes = [_class(int(number), truth, found) for number in np.unique(truth)]
    return tuple(sorted(classes, key=lambda one: one.agreeing - one.expected))


def _class(number: int, truth: NDArray[Any], found: NDArray[Any]) -> ClassAgreement:
    mine = found[truth == number]
    others, counts = np.unique(mine[mine != number], return_counts=True)
    agreeing = int((mine == number).sum())
    taken = int(others[counts.argmax()]) if others.size else None
    return ClassAgreement(number, len(mine), agreeing, taken)
