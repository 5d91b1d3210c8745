"""From the network as trained to the network as traced: every rewrite that is on, in order."""

import copy
from collections.abc import Iterable
from graphlib import TopologicalSorter

from segpp.errors import InputError
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.targets import PORTABLE, TARGETS
from segpp.utils.choices import check_choice

__all__ = ["known_rewrites", "rewrites_for", "rewrites_off", "rewritten"]

_STATES = ("on", "off")


def rewrites_off(choices: Iterable[str]) -> tuple[str, ...]:
    """Read ``NAME=off`` and ``NAME=on``, the last one counting; return what is off.

    Raises:
        InputError: There is no such rewrite, or it is neither on nor off.
    """
    states: dict[str, str] = {}
    for choice in choices:
        name, _, state = choice.partition("=")
        check_choice(name, REWRITES, kind="rewrite")
        if state not in _STATES:
            raise InputError(
                f"--rewrite {choice!r:.80} is neither on nor off", hint=f"write {name}=off"
            )
        states[name] = state
    return tuple(name for name, state in states.items() if state == "off")


def rewrites_for(target: str = PORTABLE, *, off: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names of the rewrites that are on, in the order in which they apply.

    Args:
        target: The dialect the file is for, one of ``TARGETS``.
        off: Names to leave out.

    Raises:
        InputError: There is no such target or rewrite.
    """
    check_choice(target, TARGETS, kind="target")
    left_out = set(off)
    for name in sorted(left_out):
        check_choice(name, REWRITES, kind="rewrite")
    # A name that nothing waits for keeps its place in the alphabet: the same order everywhere.
    order = TopologicalSorter({name: sorted(REWRITES[name].after) for name in REWRITES})
    return tuple(
        name
        for name in order.static_order()
        if target in REWRITES[name].targets and name not in left_out
    )


def known_rewrites() -> dict[str, Rewrite]:
    """Return every rewrite that some target has, in the order in which they apply."""
    names = dict.fromkeys(name for target in TARGETS for name in rewrites_for(target))
    return {name: REWRITES[name] for name in names}


def rewritten(model: SegFormer, names: Iterable[str]) -> SegFormer:
    """Return a copy of ``model`` with these rewrites applied; weights that stay are shared."""
    # The memo makes the copy share its tensors: a B5 twice in memory serves nobody.
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    copied = copy.deepcopy(model, shared)
    for name in names:
        REWRITES[name].apply(copied)
    return copied.eval()
