"""From a name in a file to the tensors of ours that it holds, and back."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import STAGES
from segpp.export.models.segformer.loading.formats._base import CheckpointFormat, Rule

__all__ = ["KeyMatch", "encoder_root", "is_unused", "key_matches", "match_key", "root_modules"]

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
class KeyMatch:
    """What one tensor of a file is: a rule with its holes filled.

    Attributes:
        rule: The rule that its name follows.
        stage: From 0; may lie outside the network.
        block: From 0; None outside the blocks.
        leaf: ``weight``, ``bias`` and so on.
    """

    rule: Rule
    stage: int
    block: int | None
    leaf: str

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors of ours inside it, in the order of its rows."""
        return tuple(f"{self._filled(part)}.{self.leaf}" for part in _parts(self.rule.module))

    @property
    def key(self) -> str:
        """Its name in the file."""
        return self._filled(_with_leaf(self.rule.key))

    def _filled(self, template: str) -> str:
        stage = self.stage
        holes = {"i": stage, "n": stage + 1, "r": STAGES - 1 - stage}
        return template.format(**holes, j=self.block, leaf=self.leaf)


@lru_cache(maxsize=1 << 13)
def match_key(fmt: CheckpointFormat, key: str) -> KeyMatch | None:
    """Return what ``key`` in a file is, or None if the format does not know it."""
    for rule, pattern in _patterns(fmt):
        if match := pattern.fullmatch(key):
            parts = match.groupdict()
            block = int(parts["j"]) if "j" in parts else None
            return KeyMatch(rule, _stage(parts), block, parts["leaf"])
    return None


def key_matches(fmt: CheckpointFormat, names: Iterable[str]) -> list[KeyMatch]:
    """Return the tensors of a file that hold the tensors ``names`` of ours.

    Raises:
        CheckpointError: The format has no place for one of them.
    """
    rules = _rules_by_module(fmt)
    # A dict keeps the order: q, k and v of one stacked tensor match once.
    matches: dict[KeyMatch, None] = {}
    for name in names:
        module, _, leaf = name.rpartition(".")
        numbers = [int(part) for part in module.split(".") if part.isdigit()]
        rule = rules.get(_template(module))
        if rule is None:
            raise CheckpointError(f"a checkpoint of {fmt.title} has no place for {name}")
        block = numbers[1] if len(numbers) > 1 else None
        matches[KeyMatch(rule, numbers[0] if numbers else 0, block, leaf)] = None
    return list(matches)


def is_unused(fmt: CheckpointFormat, key: str) -> bool:
    """Whether ``key`` belongs to a module that the files carry for nothing."""
    return any(key.startswith(f"{module}.") for module in fmt.unused)


def root_modules(fmt: CheckpointFormat) -> frozenset[str]:
    """Return the first parts of the file's names: the modules that make up the network."""
    return frozenset(rule.key.partition(".")[0] for rule in fmt.rules)


def encoder_root(fmt: CheckpointFormat) -> str:
    """Return the first part of the names of the file's encoder."""
    return fmt.rules[0].key.partition(".")[0]


@lru_cache(maxsize=64)
def _patterns(fmt: CheckpointFormat) -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    return tuple((rule, re.compile(_regex(_with_leaf(rule.key)))) for rule in fmt.rules)


@lru_cache(maxsize=64)
def _rules_by_module(fmt: CheckpointFormat) -> dict[str, Rule]:
    return {part: rule for rule in fmt.rules for part in _parts(rule.module)}


def _regex(template: str) -> str:
    pieces = re.split(r"(\{\w+\})", template)
    return "".join(_HOLES.get(piece, re.escape(piece)) for piece in pieces)


def _with_leaf(key: str) -> str:
    return key if "{leaf}" in key else f"{key}.{{leaf}}"


def _parts(module: str) -> tuple[str, ...]:
    parent, _, last = module.rpartition(".")
    return tuple(f"{parent}.{part}" for part in _STACKED.get(last, (last,)))


def _template(module: str) -> str:
    holes = iter(("{i}", "{j}"))
    return ".".join(next(holes) if part.isdigit() else part for part in module.split("."))


def _stage(parts: dict[str, str]) -> int:
    if "n" in parts:
        return int(parts["n"]) - 1
    return STAGES - 1 - int(parts["r"]) if "r" in parts else int(parts.get("i", 0))
