"""A knock-out tournament: the highest of several values, and which it was, without ArgMax.

Greater decides between two, Max keeps the winner's value. What is kept of the winner's number is
either single bits as truth values, which every engine has, or one byte, which is faster in ONNX
Runtime and unknown to TensorRT.

Of eight candidates, with the bits of a number written lowest first:

    round 1   0 : 1    2 : 3    4 : 5    6 : 7     the winner's lowest bit is "the right one won"
    round 2     0-1 : 2-3         4-5 : 6-7        bit 1, and bit 0 is taken over from the winner
    round 3           0-3 : 4-7                    bit 2, and bits 0 and 1 from the winner

All values of one tournament have the same shape; so do the bits.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx

from segpp.export.custom_ops.functions._builder import FunctionBuilder

__all__ = [
    "BIT_ENCODING",
    "BYTE_ENCODING",
    "BitEncoding",
    "ByteEncoding",
    "Candidate",
    "IndexEncoding",
    "argmax_tournament",
]

_FLOAT = onnx.TensorProto.FLOAT
_UINT8 = onnx.TensorProto.UINT8

# Values that hold where a candidate came from: one for each bit, the lowest first, or one for the
# whole number. Empty for number zero.
EncodedIndex = list[str]


@dataclass(frozen=True)
class Candidate:
    """A value and its number, counted from that of its group's first."""

    value: str
    index: EncodedIndex


class IndexEncoding(ABC):
    """How the number of a winner is kept."""

    @abstractmethod
    def select(
        self,
        builder: FunctionBuilder,
        right_wins: str,
        right: EncodedIndex,
        left: EncodedIndex,
        step: int,
    ) -> EncodedIndex:
        """Return right's number + ``step`` where ``right_wins`` is true, elsewhere left's.

        Args:
            builder: Takes the nodes.
            right_wins: Truth values of the candidates' shape.
            right: A number below ``step``.
            left: A number below ``step``.
            step: How many numbers there are on the left, a power of two.
        """

    @abstractmethod
    def decode(self, builder: FunctionBuilder, index: EncodedIndex) -> str:
        """Return the number as one value that DepthToSpace takes."""


class BitEncoding(IndexEncoding):
    """Truth values; needs no type that an engine may lack."""

    def select(
        self,
        builder: FunctionBuilder,
        right_wins: str,
        right: EncodedIndex,
        left: EncodedIndex,
        step: int,
    ) -> EncodedIndex:
        """Choose bit by bit; ``right_wins`` itself is the bit of ``step``."""
        if len(left) != step.bit_length() - 1:
            raise RuntimeError("the left side of a tournament is not a power of two")
        # The right side may be the smaller one, and then has fewer bits: its others are zero.
        both = zip(right, left, strict=False)
        bits = [self._select_bit(builder, right_wins, yes, no) for yes, no in both]
        if only_left := left[len(right) :]:
            left_wins = builder("Not", right_wins)
            bits += [builder("And", bit, left_wins) for bit in only_left]
        return [*bits, right_wins]

    def decode(self, builder: FunctionBuilder, index: EncodedIndex) -> str:
        """Return the number in FP32, by Horner's rule from the highest bit down."""
        *lower, number = [builder("Cast", bit, to=_FLOAT) for bit in index]
        for bit in reversed(lower):
            number = builder("Add", builder("Add", number, number), bit)
        return number

    @staticmethod
    def _select_bit(builder: FunctionBuilder, condition: str, yes: str, no: str) -> str:
        # no ^ (condition & (yes ^ no)): flips "no" where the two differ and the condition holds.
        # ONNX Runtime's Where is several times slower, and has no truth values.
        return builder("Xor", no, builder("And", condition, builder("Xor", yes, no)))


class ByteEncoding(IndexEncoding):
    """UINT8: numbers of the right side are all higher, so the higher of two is the winner's."""

    # Numbers up to here fit.
    LAST = 255

    def select(
        self,
        builder: FunctionBuilder,
        right_wins: str,
        right: EncodedIndex,
        left: EncodedIndex,
        step: int,
    ) -> EncodedIndex:
        """Multiply the right number by 0 or 1 and take the higher one."""
        one = builder("Cast", right_wins, to=_UINT8)
        # With a step of 1 the right number is 1 and the left one 0.
        winner = one if step == 1 else builder("Mul", one, self._add_step(builder, right, step))
        return [builder("Max", left[0], winner)] if left else [winner]

    def decode(self, builder: FunctionBuilder, index: EncodedIndex) -> str:  # noqa: ARG002 - nothing to compute
        """Return the byte."""
        return index[0]

    @staticmethod
    def _add_step(builder: FunctionBuilder, index: EncodedIndex, step: int) -> str:
        shift = builder.constant(np.uint8(step))
        return builder("Add", index[0], shift) if index else shift


BIT_ENCODING, BYTE_ENCODING = BitEncoding(), ByteEncoding()


def argmax_tournament(
    builder: FunctionBuilder,
    encoding: IndexEncoding,
    candidate: Callable[[int], Candidate],
    indices: range,
    step: int = 1,
) -> Candidate:
    """Return the highest of the candidates at ``indices``, the first among equals.

    Args:
        builder: Takes the nodes.
        encoding: How the winner's number is kept.
        candidate: Gives the candidate of an index when its turn comes.
        indices: Which candidates take part; at least one.
        step: How many numbers each candidate comes with: a power of two.
    """
    if len(indices) == 1:
        return candidate(indices[0])
    # The left side holds the earlier candidates and a power of two of them, so that the bits of
    # its numbers are exactly those below the bit that this round adds.
    half = 1 << (len(indices) - 1).bit_length() - 1
    left = argmax_tournament(builder, encoding, candidate, indices[:half], step)
    right = argmax_tournament(builder, encoding, candidate, indices[half:], step)
    # Greater, not GreaterOrEqual: the earlier one wins a tie, as with ArgMax.
    right_wins = builder("Greater", right.value, left.value)
    index = encoding.select(builder, right_wins, right.index, left.index, half * step)
    return Candidate(builder("Max", left.value, right.value), index)
