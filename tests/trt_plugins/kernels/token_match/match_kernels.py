"""Calls of tokenMatch, tokens to give it, and what its contract demands."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.ops import match_reference
from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition
from tests.trt_plugins.kernels.kernel_library import HERE, PLUGINS, Kernels, poisoned

SOURCES = (
    PLUGINS / "token_match/token_match.cu",
    HERE / "entries/token_match_entries.cu",
)

TYPES = {"float32": 0, "float16": 1, "bfloat16": 2}

Tokens = NDArray[np.float32]
Slots = NDArray[np.int32]


@dataclass(frozen=True)
class Case:
    """One shape of SegppTokenMatch."""

    batch: int
    channels: int
    height: int
    width: int
    stride_y: int
    stride_x: int
    window: int = 0

    def __str__(self) -> str:
        stride = f"{self.stride_y}x{self.stride_x}"
        return f"{self.batch}x{self.channels}x{self.height}x{self.width}-{stride}-w{self.window}"

    @property
    def partition(self) -> BipartitePartition:
        return BipartitePartition(Grid(self.height, self.width), self.stride_y, self.stride_x)

    @property
    def tokens(self) -> int:
        return self.height * self.width

    @property
    def sources(self) -> int:
        return self.partition.num_sources

    @property
    def grid(self) -> tuple[int, ...]:
        return self.height, self.width, self.stride_y, self.stride_x

    def numbers(self, merged: int) -> tuple[int, ...]:
        return self.batch, self.channels, *self.grid, merged, self.window

    def reference(self, x: Tokens, merged: int) -> Slots:
        return match_reference(
            x,
            height=self.height,
            width=self.width,
            stride_y=self.stride_y,
            stride_x=self.stride_x,
            merged=merged,
            window=self.window,
        )


def narrowed(x: Tokens, kind: str) -> tuple[NDArray[Any], Tokens]:
    """The bits that a kernel is given, and the numbers that those are."""
    if kind == "float32":
        return x, x
    if kind == "float16":
        half = x.astype(np.float16)
        return half, half.astype(np.float32)
    # Cut off, not rounded: any bfloat16 will do.
    bits = (x.view(np.uint32) >> 16).astype(np.uint16)
    return bits, (bits.astype(np.uint32) << 16).view(np.float32)


def workspace_bytes(kernels: Kernels, case: Case, kind: str, merged: int) -> int:
    """What tokenMatchWorkspaceSize says."""
    return kernels.call("workspaceSize", *case.numbers(merged), TYPES[kind]).code


def match(
    kernels: Kernels,
    case: Case,
    kind: str,
    given: NDArray[Any],
    merged: int,
    *,
    skipped: int = 0,
    **device: int,
) -> Slots:
    """Run tokenMatch over poisoned outputs and a poisoned workspace of the size it asked for."""
    slot = poisoned((case.batch, case.tokens), np.int32)
    workspace = poisoned((workspace_bytes(kernels, case, kind, merged),), np.uint8)
    arrays = given, skipped, slot, workspace
    answer = kernels.call("match", *case.numbers(merged), TYPES[kind], *arrays, **device)
    assert answer.code == 0
    assert answer.arrays[0].tobytes() == given.tobytes()
    found: Slots = answer.arrays[1]
    return found


def exact_tokens(case: Case, seed: int) -> Tokens:
    """Tokens of -1, 0 and 1 with 4^k others than 0 each: no sum, length or quotient rounds."""
    rng = np.random.default_rng(seed)
    count = 1
    while count * 4 <= case.channels:
        count *= 4
    x = np.zeros((case.batch, case.tokens, case.channels), np.float32)
    x[..., :count] = rng.choice([-1.0, 1.0], (case.batch, case.tokens, count))
    return rng.permuted(x, axis=-1)


def random_tokens(case: Case, seed: int) -> Tokens:
    """Tokens with neighbours alike, as those of an image are."""
    rng = np.random.default_rng(seed)
    shape = (case.batch, case.tokens, case.channels)
    common = rng.standard_normal((case.batch, 1, case.channels))
    return (rng.standard_normal(shape) + common).astype(np.float32)


def assert_close_to_contract(case: Case, x: Tokens, slot: Slots, merged: int) -> None:
    """The slots are those of the contract, but for scores that FP32 cannot tell apart.

    tau bounds the error of one cosine: an FP32 sum of C products in groups of eight or more, a
    square root, two divisions (kernels add up in different orders, so equality is not theirs).
    """
    tau = (case.channels / 8 + 8) * 2.0**-24
    partition = case.partition
    kept = case.sources - merged
    cells = partition.cells.tokens
    for tokens, found in zip(x.astype(np.float64), slot, strict=True):
        lengths = np.sqrt(np.square(tokens).sum(-1, keepdims=True))
        unit = np.divide(tokens, lengths, out=np.zeros_like(tokens), where=lengths > 0)
        scores = unit[partition.sources] @ unit[partition.destinations].T
        if case.window:
            scores = np.where(partition.near(case.window), scores, -np.inf)
        best = scores.max(1)
        of_source = found[partition.sources]
        merges = of_source >= kept

        assert found[partition.destinations].tolist() == list(range(kept, kept + cells))
        assert of_source[~merges].tolist() == list(range(kept))
        assert merges.sum() == merged
        chosen = of_source[merges] - kept
        reached = scores[merges, chosen]
        assert (reached >= best[merges] - 2 * tau).all()
        if 0 < merged < case.sources:
            assert best[merges].min() >= best[~merges].max() - 4 * tau
        # Two scores that close are rare, so nearly all agree.
        assert (chosen == scores[merges].argmax(1)).mean() >= 0.98 if merged else True
