"""From a name in their file to the tensors of ours that it holds, and back."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import STAGES
from segpp.export.models.segformer.loading.formats._base import Layout, Rule

__all__ = ["Place", "is_unused", "locate", "places", "root_of_encoder", "roots"]

_STACKED = {"qkv": ("q", "k", "v"), "kv": ("k", "v")}
_LEAF = "weight|bias|running_mean|running_var|num_batches_tracked"
_HOLES = {
    "{i}": r"(?P<i>\d{1,4})",
    "{n}": r"(?P<n>\d{1,4})",
    "{r}": r"(?P<r>\d{1,4})",
    "{j}": r"(?P<j>\d{1,4})",
    "{leaf}": f"(?P<leaf>{_LEAF})",
}


@dataclass(frozen=True)
class Place:
    """What one tensor of theirs is: a rule with its holes filled.

    Attributes:
        stage: From 0; may lie outside the network.
        block: From 0; None outside the blocks.
        leaf: ``weight``, ``bias`` and so on.
    """

    rule: Rule
    stage: int
    block: int | None
    leaf: str

    @property
    def ours(self) -> tuple[str, ...]:
        """The tensors of ours inside it, in the order of its rows."""
        return tuple(f"{self._filled(part)}.{self.leaf}" for part in _parts(self.rule.ours))

    @property
    def theirs(self) -> str:
        """Its name in their file."""
        return self._filled(_with_leaf(self.rule.theirs))

    def _filled(self, template: str) -> str:
        stage = self.stage
        holes = {"i": stage, "n": stage + 1, "r": STAGES - 1 - stage}
        return template.format(**holes, j=self.block, leaf=self.leaf)


def locate(layout: Layout, name: str) -> Place | None:
    """Return what ``name`` in their file is, or None if the layout does not know it."""
    for rule, pattern in _patterns(layout):
        if found := pattern.fullmatch(name):
            parts = found.groupdict()
            block = int(parts["j"]) if "j" in parts else None
            return Place(rule, _stage(parts), block, parts["leaf"])
    return None


def places(layout: Layout, ours: Iterable[str]) -> list[Place]:
    """Return the tensors of theirs that hold the tensors ``ours``.

    Raises:
        CheckpointError: The layout has no place for one of ``ours``.
    """
    by_module = _by_module(layout)
    found: dict[Place, None] = {}
    for name in ours:
        module, _, leaf = name.rpartition(".")
        numbers = [int(part) for part in module.split(".") if part.isdigit()]
        rule = by_module.get(_template(module))
        if rule is None:
            raise CheckpointError(f"a checkpoint of {layout.title} has no place for {name}")
        block = numbers[1] if len(numbers) > 1 else None
        found[Place(rule, numbers[0] if numbers else 0, block, leaf)] = None
    return list(found)


def is_unused(layout: Layout, name: str) -> bool:
    """Whether ``name`` belongs to a module that their files carry for nothing."""
    return any(name.startswith(f"{module}.") for module in layout.unused)


def roots(layout: Layout) -> frozenset[str]:
    """Return the first parts of their names: the modules that make up the network."""
    return frozenset(rule.theirs.partition(".")[0] for rule in layout.rules)


def root_of_encoder(layout: Layout) -> str:
    """Return the first part of their encoder's names."""
    return layout.rules[0].theirs.partition(".")[0]


@lru_cache(maxsize=64)
def _patterns(layout: Layout) -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    return tuple((rule, re.compile(_regex(_with_leaf(rule.theirs)))) for rule in layout.rules)


@lru_cache(maxsize=64)
def _by_module(layout: Layout) -> dict[str, Rule]:
    return {part: rule for rule in layout.rules for part in _parts(rule.ours)}


def _regex(template: str) -> str:
    pieces = re.split(r"(\{\w+\})", template)
    return "".join(_HOLES.get(piece, re.escape(piece)) for piece in pieces)


def _with_leaf(theirs: str) -> str:
    return theirs if "{leaf}" in theirs else f"{theirs}.{{leaf}}"


def _parts(ours: str) -> tuple[str, ...]:
    parent, _, last = ours.rpartition(".")
    return tuple(f"{parent}.{part}" for part in _STACKED.get(last, (last,)))


def _template(module: str) -> str:
    holes = iter(("{i}", "{j}"))
    return ".".join(next(holes) if part.isdigit() else part for part in module.split("."))


def _stage(parts: dict[str, str]) -> int:
    if "n" in parts:
        return int(parts["n"]) - 1
    return STAGES - 1 - int(parts["r"]) if "r" in parts else int(parts.get("i", 0))
