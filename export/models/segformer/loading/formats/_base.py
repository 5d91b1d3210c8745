"""What a format says: whose names stand for which modules of ours, and with which numerics."""

from dataclasses import dataclass
from typing import Literal

from segpp.export.models.segformer.architecture import STAGES, Numerics

__all__ = ["DEEPEST_FIRST", "CheckpointFormat", "Rule"]

# The fuse convolution of the original reads the levels from the deepest to the finest.
DEEPEST_FIRST = (3, 2, 1, 0)


# Compared and hashed by identity: every name of a file asks for the patterns of a format.
@dataclass(frozen=True, eq=False)
class Rule:
    """One module in a file and the modules of ours that it holds.

    Both names are templates. ``{i}`` is the stage from 0, ``{n}`` the stage from 1, ``{r}`` the
    stage counted from the last, ``{j}`` the block from 0. ``.weight``, ``.bias`` and the rest
    follow the module's name; ``{leaf}`` puts them elsewhere.

    Attributes:
        module: A module of ours. ``….qkv`` and ``….kv`` are q, k and v stacked by rows.
        key: The module in the file.
        stored: The file's form of a weight that acts on each pixel alone: ``conv`` (out, in, 1, 1)
            where ours is linear, ``linear`` (out, in) where ours is a convolution.
    """

    module: str
    key: str
    stored: Literal["same", "conv", "linear"] = "same"


@dataclass(frozen=True, eq=False)
class CheckpointFormat:
    """The checkpoints of one codebase.

    Attributes:
        title: What its files are called in messages.
        head: Which of the two decode heads it trains.
        numerics: What its code computes the weights with.
        rules: Every module of its network, the encoder's first.
        fuse_order: The stage that each block of the fuse convolution's input belongs to.
        unused: Modules that stand in its files and take no part in the result.
    """

    title: str
    head: Literal["linear", "conv-bn"]
    numerics: Numerics
    rules: tuple[Rule, ...]
    fuse_order: tuple[int, ...] = tuple(range(STAGES))
    unused: tuple[str, ...] = ()
