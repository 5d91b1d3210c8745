"""A knock-out tournament: the highest of several values, and which it was, without ArgMax.

Greater decides between two, Max keeps the winner's value. What is kept of the winner's number is
either single bits as truth values, which every engine has, or one byte, which is faster in ONNX
Runtime and unknown to TensorRT.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx

from segpp.export.custom_ops.functions._builder import Body

__all__ = ["BITS", "BYTES", "Bits", "Bytes", "Entrant", "Marking", "knockout"]

_FLOAT = onnx.TensorProto.FLOAT
_UINT8 = onnx.TensorProto.UINT8

# What says where a value came from: names of bits, the lowest first, or of one number. Empty for
# number zero.
Mark = list[str]


@dataclass(frozen=True)
class Entrant:
    """A value and its number, counted from that of its group's first."""

    value: str
    mark: Mark


class Marking(ABC):
    """How the number of a winner is kept."""

    @abstractmethod
    def winner(self, body: Body, wins: str, right: Mark, left: Mark, step: int) -> Mark:
        """Return right's number + ``step`` where ``wins`` is true, elsewhere left's.

        ``step`` is a power of two, and how many numbers there are on the left.
        """

    @abstractmethod
    def number(self, body: Body, mark: Mark) -> str:
        """Return the number as one value that DepthToSpace takes."""


class Bits(Marking):
    """Truth values; needs no type that an engine may lack."""

    def winner(self, body: Body, wins: str, right: Mark, left: Mark, step: int) -> Mark:
        """Choose bit by bit; ``wins`` itself is the bit of ``step``."""
        if len(left) != step.bit_length() - 1:
            raise RuntimeError("the left side of a knock-out is not a power of two")
        both = zip(right, left, strict=False)
        bits = [self._chosen(body, wins, yes, no) for yes, no in both]
        if only_left := left[len(right) :]:
            loses = body("Not", wins)
            bits += [body("And", bit, loses) for bit in only_left]
        return [*bits, wins]

    def number(self, body: Body, mark: Mark) -> str:
        """Return the number in FP32."""
        *lower, number = [body("Cast", bit, to=_FLOAT) for bit in mark]
        for bit in reversed(lower):
            number = body("Add", body("Add", number, number), bit)
        return number

    @staticmethod
    def _chosen(body: Body, condition: str, yes: str, no: str) -> str:
        # ONNX Runtime's Where is several times slower, and has no truth values.
        return body("Xor", no, body("And", condition, body("Xor", yes, no)))


class Bytes(Marking):
    """UINT8: numbers of the right side are all higher, so the higher of two is the winner's."""

    # Numbers up to here fit.
    LAST = 255

    def winner(self, body: Body, wins: str, right: Mark, left: Mark, step: int) -> Mark:
        """Multiply the right number by 0 or 1 and take the higher one."""
        one = body("Cast", wins, to=_UINT8)
        mark = one if step == 1 else body("Mul", one, self._higher(body, right, step))
        return [body("Max", left[0], mark)] if left else [mark]

    def number(self, body: Body, mark: Mark) -> str:  # noqa: ARG002 - nothing to compute
        """Return the byte."""
        return mark[0]

    @staticmethod
    def _higher(body: Body, mark: Mark, step: int) -> str:
        shift = body.constant(np.uint8(step))
        return body("Add", mark[0], shift) if mark else shift


BITS, BYTES = Bits(), Bytes()


def knockout(
    body: Body, marking: Marking, entrant: Callable[[int], Entrant], entrants: range, step: int = 1
) -> Entrant:
    """Return the highest of ``entrants``, the first among equals.

    The left side holds the earlier entrants and a power of two of them; the right side wins only
    if it is higher.

    Args:
        entrant: Gives the entrant of an index when its turn comes.
        step: How many numbers each entrant comes with: a power of two.
    """
    if len(entrants) == 1:
        return entrant(entrants[0])
    half = 1 << (len(entrants) - 1).bit_length() - 1
    left = knockout(body, marking, entrant, entrants[:half], step)
    right = knockout(body, marking, entrant, entrants[half:], step)
    wins = body("Greater", right.value, left.value)
    mark = marking.winner(body, wins, right.mark, left.mark, half * step)
    return Entrant(body("Max", left.value, right.value), mark)
