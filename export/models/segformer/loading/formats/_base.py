"""What a layout says: whose names stand for which modules of ours, and with which numerics."""

from dataclasses import dataclass
from typing import Literal

from segpp.export.models.segformer.architecture import STAGES, Numerics

__all__ = ["Layout", "Rule"]


@dataclass(frozen=True)
class Rule:
    """One module in their file and the modules of ours that it holds.

    Both names are templates. ``{i}`` is the stage from 0, ``{n}`` the stage from 1, ``{r}`` the
    stage counted from the last, ``{j}`` the block from 0. ``.weight``, ``.bias`` and the rest
    follow the module's name; ``{leaf}`` puts them elsewhere.

    Attributes:
        ours: A module of ours. ``….qkv`` and ``….kv`` are q, k and v stacked by rows.
        theirs: The module in their file.
        stored: Their form of a weight that acts on each pixel alone: ``conv`` (out, in, 1, 1)
            where ours is linear, ``linear`` (out, in) where ours is a convolution.
    """

    ours: str
    theirs: str
    stored: Literal["same", "conv", "linear"] = "same"


@dataclass(frozen=True)
class Layout:
    """The checkpoints of one codebase.

    Attributes:
        title: What its files are called in messages.
        head: Which of the two decode heads it trains.
        fuse_order: The stage that each block of the fuse convolution's input belongs to.
        unused: Modules that stand in its files and take no part in the result.
    """

    title: str
    head: Literal["linear", "conv-bn"]
    numerics: Numerics
    rules: tuple[Rule, ...]
    fuse_order: tuple[int, ...] = tuple(range(STAGES))
    unused: tuple[str, ...] = ()
