"""From the network as trained to the network as traced: every rewrite that is on, in order.

A rewrite replaces or refills modules of a copy of the network before it is traced. It computes the
same function in real arithmetic; only rounding differs. The parity check compares the file with
the network as it was.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, TypeVar

from segpp.export.targets import PORTABLE, TARGETS
from segpp.utils.choices import check_choice

if TYPE_CHECKING:
    # Rewrites are listed and chosen without torch.
    from torch import nn

__all__ = ["Rewrite", "RewriteSelection", "apply_rewrites", "ordered_rewrites", "select_rewrites"]

_Model = TypeVar("_Model", bound="nn.Module")


@dataclass(frozen=True)
class Rewrite:
    """One exact change of a network.

    Attributes:
        apply: Changes the network of its family that it is given, in place; parameters are
            replaced, never written to, since the network may share them.
        meaning: What it does, as one clause.
        after: Names of the rewrites that must come first where they are on.
        targets: The dialects it is for.
    """

    apply: Callable[[Any], None]
    meaning: str
    after: tuple[str, ...] = ()
    targets: tuple[str, ...] = TARGETS


@dataclass(frozen=True)
class RewriteSelection:
    """The rewrites of a family for one file.

    Attributes:
        on: Those to apply, in the order in which they apply.
        off: Names of those that the target would have and the caller leaves out, in that order.
    """

    on: Mapping[str, Rewrite]
    off: tuple[str, ...]


def select_rewrites(
    rewrites: Mapping[str, Rewrite], target: str = PORTABLE, *, off: Iterable[str] = ()
) -> RewriteSelection:
    """Return which rewrites apply, in the order in which they do.

    Args:
        rewrites: Those of the family, by name.
        target: The dialect the file is for, one of ``TARGETS``.
        off: Names to leave out.

    Raises:
        InputError: There is no such target or rewrite.
    """
    check_choice(target, TARGETS, kind="target")
    left_out = set(off)
    for name in sorted(left_out):
        check_choice(name, rewrites, kind="rewrite")
    # A name that nothing waits for keeps its place in the alphabet: the same order everywhere.
    order = TopologicalSorter({name: sorted(rewrites[name].after) for name in sorted(rewrites)})
    names = [name for name in order.static_order() if target in rewrites[name].targets]
    return RewriteSelection(
        on={name: rewrites[name] for name in names if name not in left_out},
        off=tuple(name for name in names if name in left_out),
    )


def ordered_rewrites(rewrites: Mapping[str, Rewrite]) -> dict[str, Rewrite]:
    """Return every rewrite that some target has, in the order in which they apply."""
    ordered: dict[str, Rewrite] = {}
    for target in TARGETS:
        ordered |= select_rewrites(rewrites, target).on
    return ordered


def apply_rewrites(model: _Model, rewrites: Iterable[Rewrite]) -> _Model:
    """Return a copy of ``model`` with these rewrites applied; weights that stay are shared."""
    # The memo makes the copy share its tensors: a B5 twice in memory serves nobody.
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    rewritten = copy.deepcopy(model, shared)
    for rewrite in rewrites:
        rewrite.apply(rewritten)
    return rewritten.eval()
