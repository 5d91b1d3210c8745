"""What a rewrite is."""

from collections.abc import Callable
from dataclasses import dataclass

from segpp.export.models.segformer.model import SegFormer
from segpp.export.targets import TARGETS

__all__ = ["Rewrite"]


@dataclass(frozen=True)
class Rewrite:
    """One exact change of a network.

    Attributes:
        apply: Changes the network it is given, in place; parameters are replaced, never written
            to, since the network may share them.
        meaning: What it does, as one clause.
        after: Names of the rewrites that must come first where they are on.
        targets: The dialects it is for.
    """

    apply: Callable[[SegFormer], None]
    meaning: str
    after: tuple[str, ...] = ()
    targets: tuple[str, ...] = TARGETS
